"""A web app that tries over the network what it is asked to try: `python3 probing.py`, in a dyno, on $PORT.

POST / with the tries of `network_probe.py` as JSON, which lies beside; the findings are the answer. With `scan`, an
address and two ports, those of its ports in between that answer. It also listens on another port, HELD.
"""

import errno
import http.server
import json
import os
import selectors
import socket
import threading
import time

import network_probe

SECONDS = 1.5


def scan(address, first, last):
    """The ports that answer: all are tried at once, as the machine seldom says that it refuses (icmp(7), ratelimit)."""
    tried = {}
    with selectors.DefaultSelector() as selector:
        for port in range(first, last + 1):
            sock = socket.socket()
            sock.setblocking(False)
            if sock.connect_ex((address, port)) == errno.EINPROGRESS:
                selector.register(sock, selectors.EVENT_WRITE)
                tried[sock] = port
        found, deadline = [], time.monotonic() + SECONDS
        while tried and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                port = tried.pop(key.fileobj)
                if not key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    found.append(port)
                key.fileobj.close()
        return found


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
