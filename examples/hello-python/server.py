"""A web page from Python's standard library: the smallest app that behaves well on hostd.

It listens on $PORT, answers over kept-alive HTTP/1.1 connections, and on SIGTERM stops taking
connections, finishes the requests it has and exits.
"""

import contextlib
import os
import signal
import socket
import threading
from datetime import datetime, timezone
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hello from {host}</title>
<style>
  body {{ margin: 0; min-height: 100vh; display: grid; place-content: center; text-align: center;
         font: 18px/1.5 system-ui, sans-serif; color: #2b2140; background: #f7f5fb }}
  h1 {{ font-size: 3rem; margin: 0 }}
  code {{ padding: .1em .4em; border-radius: .3em; background: #e8e2f4 }}
</style>
<h1>Hello, world!</h1>
<p>This is <code>{host}</code>, release <code>{release}</code>, served by <code>{dyno}</code>.</p>
<p>It is {now} UTC. Change <code>server.py</code>, commit, and <code>git push</code> again.</p>
</html>
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A kept-alive connection that stays silent this long is closed, in seconds.
    timeout = 90
    # Buffered, so that an answer leaves in one piece: in two, Nagle's algorithm holds the second one back until the
    # first is acknowledged, which takes the other side 40 ms on a kept-alive connection.
    wbufsize = -1

    def do_GET(self):
        if self.path.split("?")[0] != "/":
            return self.answer(404, "text/plain; charset=utf-8", "Not found\n")
        page = PAGE.format(
            host=escape(self.headers.get("Host", "nowhere")),
            release=escape(os.environ.get("HOSTD_RELEASE", "no release")),
            dyno=escape(os.environ.get("DYNO", "your own machine")),
            now=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S"),
        )
        return self.answer(200, "text/html; charset=utf-8", page)

    do_HEAD = do_GET

    def answer(self, status, content_type, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        print(f"{self.command} {self.path} {args[1]}", flush=True)


class Server(ThreadingHTTPServer):
    # Ending the process waits for the threads that still answer a request.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port):
        self.connections = set()
        super().__init__(("", port), Handler)

    def process_request(self, connection, address):
        self.connections.add(connection)
        super().process_request(connection, address)

    def shutdown_request(self, connection):
        self.connections.discard(connection)
        super().shutdown_request(connection)

    def stop(self):
        """Take no more connections, and let those that wait for another request end."""
        self.shutdown()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)


def main():
    port = int(os.environ.get("PORT", "5000"))
    server = Server(port)
    # In a thread, because shutdown() waits until serve_forever(), which the signal interrupts, has returned.
    signal.signal(signal.SIGTERM, lambda signum, frame: threading.Thread(target=server.stop).start())
    print(f"Listening on port {port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    main()
