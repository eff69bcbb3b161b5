"""A health page: health.py PORT PLACE [--shared]. What it says stands in the file PLACE/health, anew for each request: a
status, `silence` for no answer, or `noise` for one that is not HTTP. The first word may be a generation, whose page
alone it then is: `2 503`."""

import http.server
import os
import socket
import sys

port, place = int(sys.argv[1]), sys.argv[2]
generation = os.environ["SOCKETMASTER_GENERATION"]


def word():
    for line in open(f"{place}/health"):
        *which, said = line.split()
        if which in ([], [generation]):
            return said
    return "200"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = word()
        if said == "silence":
            self.rfile.read()
        elif said == "noise":
            self.wfile.write(b"220 mail.example ESMTP\r\n")
        else:
            self.send_response(int(said))
            self.end_headers()
            self.wfile.write(b"so it is\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        if "--shared" in sys.argv:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(self.server_address)


server = Server(("127.0.0.1", port), Page)
print(f"health page of {os.getpid()} on {port}", flush=True)
server.serve_forever()
