#!/usr/bin/python3
"""Answers the first message of each connection with its pid, the names of its sockets and the message; on every socket
that it is passed, of whatever kind. On TERM it ends when it has answered what it has accepted."""
import os
import selectors
import signal
import socket
import sys

names = os.environ.get("LISTEN_FDNAMES") or os.environ.get("SOCKETMASTER_FD_NAMES", "")
count = int(os.environ.get("LISTEN_FDS") or len(os.environ["EINHORN_FDS"].split()))
waker, wakened = socket.socketpair()
wakened.setblocking(False)
signal.set_wakeup_fd(wakened.fileno())
signal.signal(signal.SIGTERM, lambda *_: None)
selector = selectors.DefaultSelector()
selector.register(waker, selectors.EVENT_READ)
for fd in range(3, 3 + count):
    server = socket.socket(fileno=fd)
    server.setblocking(False)
    selector.register(server, selectors.EVENT_READ)


def answer(data):
    return b"%d %s %s" % (os.getpid(), names.encode(), data)


while True:
    for key, _ in selector.select():
        server = key.fileobj
        if server is waker:
            sys.exit()
        try:
            if server.type == socket.SOCK_DGRAM:
                data, client = server.recvfrom(2000)
                server.sendto(answer(data), client)
                continue
            client, _ = server.accept()
        except BlockingIOError:
            continue
        client.setblocking(True)
        client.sendall(answer(client.recv(2000)))
        client.close()
