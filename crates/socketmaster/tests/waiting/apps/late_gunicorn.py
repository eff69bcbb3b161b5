"""gunicorn's configuration and application in one: its worker is late and tells when it begins (see server.py)."""
import os, time


def post_worker_init(worker):
    time.sleep(0.3)
    os.write(4, b"%d\n" % time.monotonic_ns())


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hi"]
