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
LOST = re.compile(rb"Error L1[01] \([^)]*\) -> This (?:tail session|drain) dropped (\d+) ")
LONGEST = 100
"""Bytes that may be the beginning of a line that goes on in the next piece."""
SILENCE = 60.0


class Account:
    """What came of each dyno's numbers."""

    def __init__(self) -> None:
        self.came = self.late = self.told = 0
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
                self.late += 1
                continue
            self.came += 1
            self._numbers[match[1]] = number
        if end:
            self.last = time.monotonic()
        return end

    def waits(self, dynos: int, lines: int) -> bool:
        ended = sum(number == lines for number in list(self._numbers.values()))
        return ended < dynos and time.monotonic() - self.last < SILENCE

    def found(self) -> dict[str, int]:
        return {"came": self.came, "came twice or too late": self.late, "told as lost": self.told}


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


def session(app: str, **wanted: Any) -> socket.socket:
    """The app's log, about to be read."""
    url = ask("POST", f"/apps/{app}/log-sessions", wanted)["logplex_url"]
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("/run/hostd/logplex.sock")
    words = f"GET {url.removeprefix('http://logplex')} HTTP/1.1\r\nHost: logplex\r\nConnection: close\r\n\r\n"
    connection.sendall(words.encode())
    return connection


def of_platform(app: str) -> int:
    """How many lines the app's log has of the platform."""
    with session(app, lines=1500, source="heroku", tail=False) as connection:
        text = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    return text.count(b" heroku[")


@contextmanager
def tail(app: str, account: Account) -> Iterator[None]:
    """Follow the app's log."""
    connection = session(app, lines=0, tail=True)

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
    accounts = {"tail": Account(), "drain": Account()}
    began = time.monotonic()
    with tail(app, accounts["tail"]), drain(app, accounts["drain"]):
        scale(app, dynos)
        while any(account.waits(dynos, lines) for account in accounts.values()):
            time.sleep(0.05)
        took = time.monotonic() - began
        others = of_platform(app)
        with suppress(OSError):
            scale(app, 0)
    found = {name: account.found() for name, account in accounts.items()}
    print(json.dumps({"seconds": took, "of the platform": others, **found}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
