#!/usr/bin/python3
"""Opens sockets and becomes a program that has them by socket activation: activate.py NAME=KIND:ADDRESS… -- PROGRAM…
A name is empty where there is none; KIND is tcp, udp, unixgram or pipe. An `other` before them gives them to another
process."""
import os
import socket
import sys

words, program = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
pid = os.getpid()
if words[0] == "other":
    words, pid = words[1:], 1
names, held = [], []
for word in words:
    name, _, rest = word.partition("=")
    kind, _, address = rest.partition(":")
    names.append(name or "unknown")
    if kind == "pipe":
        held.append(os.pipe()[0])
        continue
    family = socket.AF_UNIX if kind == "unixgram" else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    server.bind(address if kind == "unixgram" else ("127.0.0.1", int(address)))
    if kind == "tcp":
        server.listen()
    held.append(server.detach())
# Out of the way first, and then to 3, 4, …, where they are inherited.
held = [os.dup2(fd, 100 + at) for at, fd in enumerate(held)]
for at, fd in enumerate(held):
    os.dup2(fd, 3 + at)
    os.close(fd)
variables = {"LISTEN_FDS": str(len(held)), "LISTEN_FDNAMES": ":".join(names), "LISTEN_PID": str(pid)}
os.execvpe(program[0], program, os.environ | variables)
