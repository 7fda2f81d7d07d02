"""An app for a browser: a page, events that wait until they are seen, a socket that echoes, a place for uploads."""

import base64
import hashlib
import json
import os
import struct
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EVENTS = 5
SECONDS = 20
KINDS = {"page.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
CLOSE = 8
seen = defaultdict(threading.Event)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.path.removeprefix("/") or "page.html"
        if name == "events":
            self.events()
        elif name == "socket":
            self.socket()
        elif name in KINDS:
            self.answer(Path(name).read_bytes(), KINDS[name])
        else:
            self.send_error(404)

    def do_POST(self):
        left, taken = int(self.headers["Content-Length"]), hashlib.sha256()
        size = left
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            taken.update(piece)
            left -= len(piece)
        if self.path.startswith("/seen/"):
            seen[self.path.rpartition("/")[2]].set()
        self.answer(json.dumps({"bytes": size, "sha256": taken.hexdigest()}).encode(), "application/json")

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        seen.clear()
        for number in range(EVENTS):
            self.wfile.write(f"data: {number}\n\n".encode())
            if not seen[str(number)].wait(SECONDS):
                break

    def socket(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.close_connection = True
        self.say(1, self.headers["Via"].encode())
        code = None
        while code != CLOSE:
            code, body = self.hear()
            self.say(code, body)

    def hear(self):
        """The code and the content of a frame, all in one, as browsers send what is not very long (RFC 6455, 5.2)."""
        code, size = self.rfile.read(2)
        size &= 127
        if size > 125:
            (size,) = struct.unpack(*((">H", self.rfile.read(2)) if size == 126 else (">Q", self.rfile.read(8))))
        mask = self.rfile.read(4)
        body = self.rfile.read(size)
        return code & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))

    def say(self, code, body):
        size = len(body)
        head = struct.pack(">BB", 128 | code, size) if size < 126 else struct.pack(">BBQ", 128 | code, 127, size)
        self.wfile.write(head + body)


ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
