"""The API's speed: `python benchmarks/api.py [--apps 1000] [--calls 1000] [--rounds 3] [--json FILE]`.

So many apps are made, and destroyed in the end. Then `GET /apps/{app}`, its config vars, and the list of all apps as
Heroku's CLI asks for it (`Range: id ..; max=1000`) are asked over 1, 16 and 64 connections that are kept, each with one
call at a time: at the unix socket, at the port on loopback, and by https through the router; round after round. Beside
them, as bounds, the same bytes from a bare aiohttp handler and from files of nginx, both without any question to ask.

Calls a second are medians of the rounds; p50 and p99, in milliseconds, are of the calls of all rounds. The client is
one process of Python, and takes its part of the processor. The installation is the one that hostctl reaches
(HOSTCTL=... names another); the bound by nginx is left out without nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import shutil
import ssl
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit import Api
from logs import Watched
from proxies import HOST, backend, free_port, running

CONNECTIONS = (1, 16, 64)
LISTS = 64
"""Calls for the list in a round and over so many connections at least: each is worth a few hundred others."""
ACCEPT = "application/vnd.heroku+json; version=3"
AT_ONCE = 16
Asked = tuple[str, str, int]
"""Where, what, and over how many connections."""


@dataclass(frozen=True)
class Place:
    """Where is asked: how to connect, and what to say there beside the path. `limited`: so many calls an hour."""

    name: str
    port: int = 0
    socket: Path | None = None
    tls: ssl.SSLContext | None = None
    limited: bool = False
    files: bool = False

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> asyncio.BaseTransport:
        """A connection for a new client."""
        loop = asyncio.get_running_loop()
        if self.socket is not None:
            return (await loop.create_unix_connection(make, str(self.socket)))[0]
        name = "api.localhost" if self.tls else None
        return (await loop.create_connection(make, HOST, self.port, ssl=self.tls, server_hostname=name))[0]


@dataclass
class Run:
    """Calls that are to be made, and how long each took (seconds)."""

    calls: int
    wire: bytes
    begun: int = 0
    took: list[float] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: str = ""

    def end(self, trouble: str = "") -> None:
        """Nothing more is asked."""
        self.trouble = self.trouble or trouble
        self.done.set()


class Client(asyncio.Protocol):
    """Asks over one connection, again and again."""

    def __init__(self, run: Run) -> None:
        self._run, self._got, self._whole, self._since = run, bytearray(), 0, 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        """Send the next call, if there is one left."""
        if self._run.begun < self._run.calls:
            self._run.begun += 1
            self._got.clear()
            self._whole, self._since = 0, time.perf_counter()
            self._transport.write(self._run.wire)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._whole and (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._got[:end]).lower()
            if not head.startswith((b"http/1.1 200", b"http/1.1 206")):
                self._run.end(bytes(self._got[:300]).decode(errors="replace"))
                return
            self._whole = end + 4 + int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        if self._whole and len(self._got) >= self._whole:
            self._run.took.append(time.perf_counter() - self._since)
            if len(self._run.took) == self._run.calls:
                self._run.end()
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.end(f"a connection was closed: {error}")


async def asked(place: Place, wire: bytes, calls: int, connections: int) -> tuple[float, list[float]]:
    """Calls a second, and how long each took."""
    run, lines = Run(calls, wire), list[tuple[asyncio.BaseTransport, Client]]()
    for _ in range(connections):
        client = Client(run)
        lines.append((await place.connect(lambda client=client: client), client))
    begun = time.perf_counter()
    for _transport, client in lines:
        client.ask()
    await run.done.wait()
    took = time.perf_counter() - begun
    for transport, _client in lines:
        transport.close()
    if run.trouble:
        raise SystemExit(f"{place.name}: {run.trouble}")
    return calls / took, run.took


def wire(path: str, token: str = "", **headers: str) -> bytes:
    """The bytes of a GET."""
    known = {"Host": "api.localhost", "Accept": ACCEPT, "Authorization": f"Bearer {token}", **headers}
    return "\r\n".join([f"GET {path} HTTP/1.1", *(f"{name}: {text}" for name, text in known.items()), "", ""]).encode()


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """All rounds, and the table."""
    api = Api()
    doors = api.ask("GET", "/hostd/doors")
    watched = Watched(api.pids("hostd.service"))
    places = [
        Place("unix socket", socket=api.path("/run/hostd/hostd.sock")),
        Place("loopback", doors["api_port"], limited=True),
        Place("https, router", doors["https_port"], tls=ssl._create_unverified_context(), limited=True),
    ]
    with ExitStack() as stack:
        begun = time.monotonic()
        apps = stack.enter_context(many_apps(api, given.apps))
        print(f"{given.apps} apps made in {time.monotonic() - begun:.0f} s", flush=True)
        calls = {
            "GET /apps/{app}": (f"/apps/{apps[0]}", {}, given.calls),
            "GET config-vars": (f"/apps/{apps[0]}/config-vars", {}, given.calls),
            f"GET /apps ({given.apps})": ("/apps", {"Range": "id ..; max=1000"}, LISTS),
        }
        people = stack.enter_context(many_users(api, 2 * len(calls) * given.rounds))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hostd-benchmark-")))
        kept = bodies(api, {name: (path, headers) for name, (path, headers, _) in calls.items()}, folder)
        places += stack.enter_context(bounds(folder))
        watched.look()
        print(f"hostd before: {watched.memory()['hostd.service']:.0f} MB", flush=True)
        rates, took = defaultdict[Asked, list[float]](list), defaultdict[Asked, list[float]](list)
        costs = defaultdict[Asked, list[float]](list)
        for _ in range(given.rounds):
            for (what, (path, headers, times)), place in itertools.product(calls.items(), places):
                token = next(people) if place.limited else ""
                sent = wire(f"/files/{kept[what]}" if place.files else path, token, **headers)
                for connections in CONNECTIONS:
                    before = watched.times()["hostd.service"]
                    rate, each = asyncio.run(asked(place, sent, times, connections))
                    key = (place.name, what, connections)
                    rates[key].append(rate)
                    took[key] += each
                    costs[key].append((watched.times()["hostd.service"] - before) / times)
                    watched.look()
        print(f"hostd at most: {watched.memory()['hostd.service']:.0f} MB")
        watched.look()
        print(f"hostd after: {watched.memory()['hostd.service']:.0f} MB")
        rows = [row(key, rates[key], took[key], statistics.median(costs[key])) for key in rates]
        print_table(rows)
    return rows


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Each kind of call in a line."""
    print(f"{'':<18} {'':<14} {'at once':>7} {'calls/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'hostd ms':>8}")
    for each in sorted(rows, key=lambda each: (each["what"], each["where"], each["connections"])):
        print(
            f"{each['what']:<18} {each['where']:<14} {each['connections']:>7} {each['calls_per_second']:>8.0f} "
            f"{each['p50']:>7.1f} {each['p99']:>7.1f} {each['hostd']:>8.2f}",
            flush=True,
        )


def row(key: Asked, rates: Sequence[float], took: Sequence[float], cost: float) -> dict[str, Any]:
    """What became of one kind of call: `cost` is hostd's own time for each, in milliseconds as the others."""
    ordered = sorted(took)
    return {
        "where": key[0],
        "what": key[1],
        "connections": key[2],
        "calls_per_second": statistics.median(rates),
        "p50": ordered[len(ordered) // 2] * 1e3,
        "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1e3,
        "hostd": 0.0 if key[0].startswith("bare") else cost * 1e3,
    }


@contextmanager
def many_apps(api: Api, count: int) -> Iterator[list[str]]:
    """The names of so many new apps, for as long as the block takes."""
    owner = f"benchmark-{uuid.uuid4().hex[:8]}@localhost.localdomain"
    api.ask("POST", "/hostd/users", {"email": owner})
    names = [f"b-{uuid.uuid4().hex[:12]}" for _ in range(count)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            list(pool.map(lambda name: api.ask("POST", "/apps", {"name": name}), names))
            api.ask("PATCH", f"/apps/{names[0]}/config-vars", {f"KEY_{number}": "value" for number in range(20)})
            yield names
        finally:
            there = {app["name"] for app in api.ask("GET", "/apps")} & set(names)
            list(pool.map(lambda name: api.ask("DELETE", f"/apps/{name}"), there))
            api.ask("DELETE", f"/hostd/users/{owner}")


@contextmanager
def many_users(api: Api, count: int) -> Iterator[Iterator[str]]:
    """The tokens of so many admins: an account may make 4,500 calls an hour."""
    emails = [f"benchmark-{uuid.uuid4().hex[:8]}@localhost.localdomain" for _ in range(count)]
    tokens = []
    try:
        for email in emails:
            api.ask("POST", "/hostd/users", {"email": email, "admin": True})
            made = api.ask("POST", "/oauth/authorizations", {"description": "benchmark"}, user=email)
            tokens.append(made["access_token"]["token"])
        yield iter(tokens)
    finally:
        for email in emails[: len(tokens) + 1]:
            api.ask("DELETE", f"/hostd/users/{email}")


def bodies(api: Api, calls: Mapping[str, tuple[str, Mapping[str, str]]], folder: Path) -> dict[str, str]:
    """Files with what hostd answers; their names by the call."""
    (folder / "files").mkdir()
    folder.chmod(0o755)
    names = {}
    for number, (what, (path, headers)) in enumerate(calls.items()):
        (folder / "files" / f"{number}.json").write_text(json.dumps(api.ask("GET", path, headers=headers)))
        names[what] = f"{number}.json"
    return names


@contextmanager
def bounds(folder: Path) -> Iterator[list[Place]]:
    """A bare aiohttp server, and nginx if there is one, with the files of a folder."""
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(running([sys.executable, __file__, "--bare", str(port), str(folder)], port))
        found = [Place("bare aiohttp", port, files=True)]
        if shutil.which("nginx"):
            served = stack.enter_context(backend(folder, max(os.sched_getaffinity(0))))
            found.append(Place("bare nginx", served, files=True))
        yield found


def bare(port: int, folder: Path) -> None:
    """Serve the folder's files from memory, with nothing but aiohttp."""
    from aiohttp import web

    files = {file.name: file.read_bytes() for file in (folder / "files").iterdir()}

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=files[request.match_info["name"]], content_type="application/json")

    application = web.Application()
    application.router.add_get("/files/{name}", handler)
    web.run_app(application, host=HOST, port=port, print=None, access_log=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=1000, help="in each round, over each number of connections")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the table there too")
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        bare(int(given.bare[0]), Path(given.bare[1]))
        return
    rows = measure(given)
    if given.json:
        given.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
