"""A server that begins to wait for connections late, in the way named by its first argument.

The listening socket is descriptor 3. The moment just before it waits, on CLOCK_MONOTONIC in nanoseconds, goes to
descriptor 4.
"""
import asyncio, ctypes, os, select, socket, sys, threading, time


def report():
    os.write(4, b"%d\n" % time.monotonic_ns())


def answer():
    connection = listener.accept()[0]
    connection.send(b"hi")
    connection.close()


def accept():
    listener.setblocking(True)
    report()
    while True:
        answer()


def poll():
    poller = select.poll()
    poller.register(0, 0)
    poller.register(3, select.POLLIN)
    report()
    while poller.poll():
        answer()


def select_():
    report()
    while select.select([listener], [], []):
        answer()


def prefork():
    for _ in range(2):
        if os.fork() == 0:
            accept()
    os.wait()


def epoll():
    async def hi(_, writer):
        writer.write(b"hi")
        writer.close()

    async def main():
        report()
        server = await asyncio.start_server(hi, sock=listener)
        await server.serve_forever()

    asyncio.run(main())


def nondumpable():
    assert libc.prctl(4, 0, 0, 0, 0) == 0  # PR_SET_DUMPABLE
    accept()


def threads():
    for _ in range(3000):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()


def uring():
    ring = libc.syscall(425, 8, ctypes.create_string_buffer(120))  # io_uring_setup
    report()
    if ring < 0:
        sys.exit(77)
    libc.syscall(426, ring, 0, 1, 1, None, 0)  # io_uring_enter: wait for one completion


libc = ctypes.CDLL(None, use_errno=True)
listener = socket.socket(fileno=3)
time.sleep(0.3)
{"select": select_}.get(sys.argv[1], globals().get(sys.argv[1]))()
