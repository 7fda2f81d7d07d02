"""A web app that tries over the network what it is asked to try: `python3 probing.py`, in a dyno, on $PORT.

POST / with the tries of `network_probe.py` as JSON, which lies beside; the findings are the answer. With `scan`, an
address and two ports, those of its ports in between that answer. It also listens on another port, HELD.
"""

import http.server
import json
import os
import socket
import threading

import network_probe


def scan(address, first, last):
    """The ports that answer."""
    return [port for port in range(first, last + 1) if network_probe.tcp(address, port) == "connected"]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the dyno's process on GET."""

    def do_GET(self):
        self.answer({"pid": os.getpid(), "address": network_probe.own_address()})

    def do_POST(self):
        tries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer({**network_probe.main(tries), "open": [scan(*each) for each in tries.get("scan", [])]})

    def answer(self, found):
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    held = socket.create_server(("", network_probe.HELD))
    server = http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler)
    threading.Thread(target=server.serve_forever).start()
