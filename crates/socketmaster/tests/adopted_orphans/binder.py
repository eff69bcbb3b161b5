"""A server that opens its own sockets: one at its start, and more when a client asks.

GET /bind     listens on another port, whose number is the answer's "port"
GET /unlink   removes the path of its first socket
GET /leave    forks a process that serves on from another port, and crashes
GET /close    closes its standard output and error
GET /hammer   starts threads that do nothing but bind
GET /count    says how often each of them has
"""

import json
import os
import select
import socket
import sys
import threading

listeners = []
counts = []


def listen(family, address):
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen(16)
    listeners.append(listener)
    return listener


def hammer(number):
    while True:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
        counts[number] += 1


def obey(path):
    if path == "/hammer":
        for number in range(4):
            counts.append(0)
            threading.Thread(target=hammer, args=(number,), daemon=True).start()
    if path == "/count":
        return {"counts": counts}
    if path == "/bind":
        return {"port": listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]}
    if path == "/unlink":
        os.unlink(sys.argv[1])
    if path == "/close":
        os.close(1)
        os.close(2)
    if path == "/leave":
        port = listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        reader, writer = os.pipe()
        if os.fork() == 0:
            # In a process group of its own, so that what its parent's is sent does not reach it.
            os.setsid()
            listeners.pop(0)
            os.write(writer, b"+")
            return None
        os.read(reader, 1)
        return {"port": port}
    return {}


def answer(connection):
    path = connection.recv(4096).decode().split(" ")[1]
    try:
        status, said = "200 OK", obey(path)
    except OSError as error:
        status, said = "500 Failed", {"error": str(error)}
    if said is not None:
        body = json.dumps({"pid": os.getpid(), **said})
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
    connection.close()
    if path == "/leave" and said is not None:
        os._exit(1)


listen(socket.AF_UNIX, sys.argv[1])
while True:
    for ready in select.select(listeners, [], [])[0]:
        answer(ready.accept()[0])
