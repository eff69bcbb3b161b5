#!/usr/bin/python3
"""Answers each datagram with its pid and what came. The first word says how it waits for them, a second which descriptor
it has (3), or `bind` and an address that it binds itself. On TERM it ends when it has answered what it has read."""
import asyncio
import os
import select
import signal
import socket
import sys

mode, where = sys.argv[1], sys.argv[2:]


def bound():
    host, _, port = where[1].rpartition(":")
    if port.isdigit():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((host, int(port)))
        return server
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if os.path.exists(where[1]):
        os.unlink(where[1])
    server.bind(where[1])
    return server


server = bound() if where[:1] == ["bind"] else socket.socket(fileno=int(where[0]) if where else 3)


def answer(data, client):
    server.sendto(b"%d %s" % (os.getpid(), data), client)


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, client):
        self.transport.sendto(b"%d %s" % (os.getpid(), data), client)


async def loop():
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, sock=server)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    transport.close()


if mode == "asyncio":
    asyncio.run(loop())
    sys.exit()
if mode == "sleep":
    signal.pause()
if mode == "shutdown":
    try:
        server.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It says ENOTCONN of UDP, and does it all the same.
        pass
    sys.exit(7)
poller = select.poll()
poller.register(server, select.POLLIN)
while True:
    if mode == "select":
        select.select([server], [], [])
    if mode == "poll":
        poller.poll()
    if mode == "read":
        # read(2) tells no sender.
        os.read(server.fileno(), 2000)
        continue
    if mode == "recvmsg":
        data, _, _, client = server.recvmsg(2000)
    else:
        data, client = server.recvfrom(2000)
    answer(data, client)
