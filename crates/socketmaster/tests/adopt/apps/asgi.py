"""An application for uvicorn."""
import asyncio
import os
from urllib.parse import parse_qs


async def app(scope, receive, send):
    milliseconds = parse_qs(scope["query_string"]).get(b"ms", [b"0"])[0]
    await asyncio.sleep(int(milliseconds) / 1000)
    body = b'{"pid": %d}' % os.getpid()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
