"""A server that does what the lines of a file say, in order, and then serves; a deploy is another file.

listen HOST:PORT   binds and listens
polite HOST:PORT   binds, and listens unless it does already, as HAProxy and gunicorn do
udp HOST:PORT      binds for datagrams, and takes a millisecond
unix PATH          listens there, in place of a file that is left, and removes the file at its end
wait PATH          goes on when there is this file
ready              says READY=1
newline            says so on descriptor $SOCKETMASTER_READY_FD
claim HOST:PORT    binds another socket there over and over, as a server with a socket per worker does once
away               goes on in a process of another session, and its parents end: the first of them passes TERM on
last PATH          at TERM it serves no more, and ends when there is this file
exit STATUS        ends

GET /close closes the listener of the last line. Every answer says how many claims were answered.
"""

import json
import os
import select
import signal
import socket
import sys
import threading
import time

listeners = []
datagrams = []
files = []
claims = 0


def wait(path):
    while not os.path.exists(path):
        time.sleep(0.005)


def bound(family, address):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    listener.bind(address)
    listeners.append(listener)
    return listener


def listens(listener):
    return listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def inet(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def claim(address):
    global claims
    while True:
        with socket.socket() as another:
            another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                another.bind(address)
            except OSError as error:
                return print("a claim has failed:", error)
            if not listens(another):
                return print("a claim has gone astray")
        claims += 1


def go_away():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, b"%d" % os.getpid())
            return
        os._exit(0)
    server = int(os.read(reader, 32))
    signal.sigwait([signal.SIGTERM])
    os.kill(server, signal.SIGTERM)
    os._exit(0)


def step(word, rest):
    global last
    if word == "listen":
        bound(socket.AF_INET, inet(rest)).listen(16)
        print("listening at", listeners[-1].getsockname())
    elif word == "polite":
        listener = bound(socket.AF_INET, inet(rest))
        if listens(listener):
            print("it listens already")
        else:
            listener.listen(16)
    elif word == "udp":
        datagrams.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams[-1].bind(inet(rest))
        time.sleep(0.001)
    elif word == "unix":
        if os.path.exists(rest):
            os.unlink(rest)
        bound(socket.AF_UNIX, rest).listen(16)
        files.append(rest)
    elif word == "wait":
        wait(rest)
    elif word == "ready":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    elif word == "newline":
        os.write(int(os.environ["SOCKETMASTER_READY_FD"]), b"\n")
    elif word == "claim":
        threading.Thread(target=claim, args=(inet(rest),), daemon=True).start()
    elif word == "away":
        go_away()
    elif word == "last":
        last = rest
    elif word == "exit":
        os._exit(int(rest))
    else:
        sys.exit(f"no such word: {word}")


def answer(listener):
    try:
        connection, _ = listener.accept()
    except BlockingIOError:
        return
    path = connection.recv(4096).decode().split(" ")[1]
    if path == "/close":
        listeners.pop().close()
    body = json.dumps({"pid": os.getpid(), "claims": claims})
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall((head + body).encode())
    connection.close()


last = None
# A TERM is one more thing to wait for, so that it never comes in between.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
with open(sys.argv[1]) as lines:
    for line in lines:
        step(*(line.rstrip("\n").split(" ", 1) + [""])[:2])
told, teller = os.pipe()
os.set_blocking(teller, False)
signal.set_wakeup_fd(teller)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
while True:
    readable = select.select([told, *listeners], [], [])[0]
    if told in readable:
        break
    for listener in readable:
        answer(listener)
for listener in listeners:
    listener.close()
if last:
    wait(last)
for path in files:
    os.unlink(path)
