"""Runs inside the box: an app's lines by a tail and by a drain, each one in its place. Prints JSON.

`python -c <this> APP DYNOS LINES`: scales the app's workers to DYNOS, which write LINES each, and reads until all are
there or nothing came for a minute.
"""

import http.client
import http.server
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

LINE = re.compile(rb"order (\d+) (\d+)\b")
LOST = re.compile(rb"Error L11 \([^)]*\) -> This tail session dropped (\d+) ")
LONGEST = 100
"""Bytes that may be the beginning of a line that goes on in the next piece."""
SILENCE = 60.0


class Account:
    """What came of each dyno's numbers."""

    def __init__(self) -> None:
        self.came = self.missing = self.repeated = self.told = 0
        self.last = time.monotonic()
        self._numbers: dict[bytes, int] = {}

    def take(self, block: bytes) -> int:
        """Count the lines in it; where the last one ends."""
        end = 0
        for match in LOST.finditer(block):
            end, self.told = match.end(), self.told + int(match[1])
        for match in LINE.finditer(block):
            end = max(end, match.end())
            number, before = int(match[2]), self._numbers.get(match[1], 0)
            if number <= before:
                self.repeated += 1
                continue
            self.came += 1
            self.missing += number - before - 1
            self._numbers[match[1]] = number
        if end:
            self.last = time.monotonic()
        return end

    def waits(self, wanted: int) -> bool:
        return self.came + self.told < wanted and time.monotonic() - self.last < SILENCE

    def found(self, wanted: int) -> dict[str, int]:
        return {
            "came or told as lost": self.came + self.told,
            "out of order": self.missing - (wanted - self.came),
            "came twice": self.repeated,
            "told as lost": self.told,
        }


def ask(verb: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("hostd", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/hostd/hostd.sock")
    connection.request(verb, path, body=None if body is None else json.dumps(body))
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status < 400, (verb, path, answer.status, text)
    return json.loads(text) if text else None


@contextmanager
def tail(app: str, account: Account) -> Iterator[None]:
    """Follow the app's log."""
    url = ask("POST", f"/apps/{app}/log-sessions", {"lines": 0, "tail": True})["logplex_url"]
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("/run/hostd/logplex.sock")
    connection.sendall(f"GET {url.removeprefix('http://logplex')} HTTP/1.1\r\nHost: logplex\r\n\r\n".encode())

    def read() -> None:
        rest = b""
        while piece := connection.recv(1 << 20):
            block = rest + piece
            rest = block[max(account.take(block), len(block) - LONGEST) :]

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        connection.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


@contextmanager
def drain(app: str, account: Account) -> Iterator[None]:
    """A drain of the app to an endpoint here."""

    class Endpoint(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            account.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    made = ask("POST", f"/apps/{app}/log-drains", {"url": url})
    try:
        yield
    finally:
        ask("DELETE", f"/apps/{app}/log-drains/{made['id']}")
        server.shutdown()
        server.server_close()


def scale(app: str, count: int) -> None:
    ask("PATCH", f"/apps/{app}/formation", {"updates": [{"type": "worker", "quantity": count, "size": "64M"}]})


def main(app: str, dynos: int, lines: int) -> None:
    wanted, accounts = dynos * lines, {"tail": Account(), "drain": Account()}
    began = time.monotonic()
    with tail(app, accounts["tail"]), drain(app, accounts["drain"]):
        scale(app, dynos)
        while any(account.waits(wanted) for account in accounts.values()):
            time.sleep(0.05)
        took = time.monotonic() - began
        with suppress(OSError):
            scale(app, 0)
    print(json.dumps({"seconds": took, **{name: account.found(wanted) for name, account in accounts.items()}}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
