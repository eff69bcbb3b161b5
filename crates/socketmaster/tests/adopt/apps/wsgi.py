"""An application for gunicorn."""
import os
import time
from urllib.parse import parse_qs


def app(environ, start_response):
    milliseconds = parse_qs(environ["QUERY_STRING"]).get("ms", ["0"])[0]
    time.sleep(int(milliseconds) / 1000)
    body = b'{"pid": %d}' % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
