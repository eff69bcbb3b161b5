#!/usr/bin/env python3
# A server that takes its listening socket from descriptor 3 and drains on SIGTERM. Run it by
#
#     socketmaster -listen tcp://:7008 -command=./server.py
#
# then change it and reload by `kill -HUP` of socketmaster. DELAY_MS is how long an answer takes.
import asyncio
import os
import signal
import socket

DELAY = int(os.environ.get("DELAY_MS", 0)) / 1000


async def answer(connection):
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        await asyncio.sleep(DELAY)
        body = b'{"status": "success", "pid": %d}\n' % os.getpid()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError, ConnectionError):
        pass  # The client has gone, or has no request for us.
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def main():
    loop = asyncio.get_running_loop()
    listener = socket.socket(fileno=3)
    listener.setblocking(False)
    answers = set()

    # asyncio's own server may close with a connection accepted and not yet handed over; this one knows each of its own.
    def accept():
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # Another process was quicker, or the client has gone.
        task = loop.create_task(answer(connection))
        answers.add(task)
        task.add_done_callback(answers.discard)

    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(name, stop.set)
    loop.add_reader(listener, accept)
    print("listening...", flush=True)

    await stop.wait()
    loop.remove_reader(listener)
    listener.close()
    await asyncio.gather(*answers)


asyncio.run(main())
