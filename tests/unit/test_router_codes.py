"""Every code: how it is provoked, over real sockets, and what page, status and log line it gets; the pages of the
documentation have them all."""

import asyncio
import html
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from time import time

import pytest
from router_rig import PATIENT, QUICK, Answer, Behaviour, Call, Rig, Wire, get, ok, post, rig

from router import faults
from router.doorman import Doorman, Guesses
from router.gate import Gate
from router.passwords import nobodys
from router.settings import Settings
from router.table import App, Dyno, State, Table

DOCS = Path(__file__).parents[2] / "docs"
HOST = b"Host: hello.localhost\r\n"
Provoke = Callable[[Rig, Wire], Awaitable[Answer | None]]


@dataclass(frozen=True)
class Row:
    """A code, and a way to it. Without a `page` the client gets none, as it has left, or an answer had begun.

    `after` is what the log says behind the path; a dyno that was asked is named in it.
    """

    code: str
    status: int
    opening: str
    provoke: Provoke
    dynos: tuple[Behaviour, ...] = (ok,)
    settings: Settings = PATIENT
    page: bool = True
    asked: bool = False

    def __str__(self) -> str:
        return f"{self.code or 'none'}-{self.status}"


async def silent(call: Call) -> None:
    await call.reader.read()


async def hang_up(call: Call) -> None:
    call.writer.close()


def says(data: bytes) -> Behaviour:
    """A dyno that says this and no more."""

    async def behaviour(call: Call) -> None:
        await call.send(data)
        await call.reader.read()

    return behaviour


async def breaks_off(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")
    call.writer.close()


def table(router: Rig, **more: object) -> None:
    """Say more of the app."""
    dynos = tuple(fake.dyno for fake in router.dynos)
    app = App("id-of-hello", "hello", ("hello.localhost",), State.UP, dynos, **more)
    other = App("id-of-other", "other", ("other.localhost",), State.UP, dynos)
    router.plane.swap(Table(router.plane.table.sequence + 1, "localhost", (app, other)))


def app_is(state: State) -> Provoke:
    async def provoke(router: Rig, client: Wire) -> Answer:
        router.swap(state=state)
        return await client.get("/it")

    return provoke


def app_has(**more: object) -> Provoke:
    async def provoke(router: Rig, client: Wire) -> Answer:
        table(router, **more)
        return await client.get("/it")

    return provoke


def sent(request: bytes) -> Provoke:
    async def provoke(router: Rig, client: Wire) -> Answer:
        return await client.ask(request)

    return provoke


async def asked(router: Rig, client: Wire) -> Answer:
    return await client.get("/it")


async def broken(router: Rig, client: Wire) -> Answer:
    """By a fault of the router's own."""
    router.plane._routes.clear()
    return await asked(router, client)


async def seen_in_part(router: Rig, client: Wire) -> None:
    await client.send(get("/it"))
    await client.head()
    assert await client.reader.read() == b"part"


async def one_too_many(router: Rig, client: Wire) -> Answer:
    async with router.client() as other:
        await other.send(get("/other"))
        await until(lambda: bool(router.dynos[0].calls))
        return await client.get("/it")


async def nobody_takes(router: Rig, client: Wire) -> Answer:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as full:
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        router.swap(Dyno("web.1", "127.0.0.1", full.getsockname()[1]))
        try:
            return await client.get("/it")
        finally:
            for other in others:
                other.close()


async def nobody_listens(router: Rig, client: Wire) -> Answer:
    await router.dynos[0].kill()
    return await client.get("/it")


async def worker_ends(router: Rig, client: Wire) -> Answer:
    await client.send(get("/it"))
    await until(lambda: bool(router.dynos[0].calls))
    router.plane.closing = True
    for each in list(router.plane.clients):
        each.cut()
    return await client.answer()


async def client_leaves(router: Rig, client: Wire) -> None:
    await client.send(get("/it"))
    await until(lambda: bool(router.dynos[0].calls))
    await client.close()


async def client_stalls(router: Rig, client: Wire) -> None:
    await client.send(post(b"half").replace(b" / ", b" /it ").replace(b"Length: 4", b"Length: 9"))
    assert await client.ended()


async def another_app(router: Rig, client: Wire) -> Answer:
    """As if the TLS connection had been made to another app. (With TLS: test_router_tls.py, test_router_h2.py)"""
    table(router)
    assert (await client.get()).status == 200
    for each in router.plane.clients:
        each.asked_for = "other.localhost"
    return await client.get("/it")


async def guesses_all_day(router: Rig, client: Wire) -> Answer:
    guesses = Guesses()
    for _ in range(Guesses.BURST):
        assert guesses.take("127.0.0.1")
    router.plane.doorman = Doorman(router.plane.loop, guesses)
    table(router, gate=CLOSED)
    return await client.get("/it", "Authorization: Basic a2F0ZTp4\r\n")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


def improper(status: int, cause: str, request: bytes, settings: Settings = PATIENT) -> Row:
    opening = f'at=error code=H26 desc="Request Error" cause="{cause}"'
    return Row("H26", status, opening, sent(request.replace(b" / ", b" /it ", 1)), settings=settings)


def plain(request_line: bytes, fields: bytes = HOST, body: bytes = b"") -> bytes:
    return request_line + b" HTTP/1.1\r\n" + fields + b"\r\n" + body


KNOWN = [value for value in vars(faults).values() if isinstance(value, faults.Fault)]
CLOSED = Gate({"kate": nobodys()})
WEBSOCKET = b"Sec-WebSocket-Version: 13\r\n"
STALLS = says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")
TWO_LENGTHS = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok")
ROWS = [
    Row("", 404, 'at=error desc="No such app"', sent(get("/it").replace(b"hello", b"nobody"))),
    Row("H10", 503, 'at=error code=H10 desc="App crashed"', app_is(State.CRASHED)),
    Row("H11", 503, 'at=error code=H11 desc="Backlog too deep"', one_too_many, dynos=(silent,),
        settings=replace(PATIENT, max_unanswered=1, max_queue=0)),
    Row("H12", 503, 'at=error code=H12 desc="Request timeout"', asked, dynos=(silent,), settings=QUICK, asked=True),
    Row("H13", 503, 'at=error code=H13 desc="Connection closed without response"', asked, dynos=(hang_up,),
        asked=True),
    Row("H14", 503, 'at=error code=H14 desc="No web processes running"', app_is(State.NONE)),
    Row("H15", 503, 'at=error code=H15 desc="Idle connection"', seen_in_part, dynos=(STALLS,), settings=QUICK,
        page=False, asked=True),
    Row("H17", 503, 'at=error code=H17 desc="Poorly formatted HTTP response"', asked, dynos=(says(b"hello\r\n\r\n"),),
        asked=True),
    Row("H18", 503, 'sock=backend at=error code=H18 desc="Server Request Interrupted"', seen_in_part,
        dynos=(breaks_off,), page=False, asked=True),
    Row("H19", 503, 'at=error code=H19 desc="Backend connection timeout"', nobody_takes, settings=QUICK, asked=True),
    Row("H20", 503, 'at=error code=H20 desc="App boot timeout"', app_is(State.STARTING), settings=QUICK),
    Row("H21", 503, 'at=error code=H21 desc="Backend connection refused"', nobody_listens, settings=QUICK, asked=True),
    Row("H22", 503, 'at=error code=H22 desc="Connection limit reached"', asked,
        settings=replace(PATIENT, max_active=0)),
    Row("H23", 503, 'at=error code=H23 desc="Endpoint misconfigured"', sent(plain(b"GET /it", HOST + WEBSOCKET))),
    Row("H24", 503, 'at=error code=H24 desc="Forced close"', worker_ends, dynos=(silent,), asked=True),
    Row("H25", 502, 'at=error code=H25 desc="HTTP restriction: invalid content length"', asked, dynos=(TWO_LENGTHS,),
        asked=True),
    improper(200, "Max-Forwards is 0, the request was to end here", plain(b"OPTIONS /", HOST + b"Max-Forwards: 0\r\n")),
    improper(400, "bad header: a request needs exactly one Host", plain(b"GET /", HOST + HOST)),
    improper(405, "Max-Forwards is 0, the request was to end here", plain(b"TRACE /", HOST + b"Max-Forwards: 0\r\n")),
    improper(408, "the head of the request did not arrive in time", b"GET / HTTP/1.1\r\nHost: hel", QUICK),
    improper(414, "the request line is too long", plain(b"GET /" + b"x" * 9000)),
    improper(417, "unsupported expect header value",
             plain(b"POST /", HOST + b"Expect: a-miracle\r\nContent-Length: 1\r\n", b"x")),
    improper(431, "a header is too long", plain(b"GET /", HOST + b"X: " + b"y" * 9000 + b"\r\n")),
    improper(501, "this method is not known here", plain(b"NONSENSE /")),
    improper(505, "HTTP/2.0 is not spoken here; use HTTP/1.1", plain(b"GET /").replace(b"/1.1", b"/2.0")),
    Row("H27", 499, 'sock=client at=warning code=H27 desc="Client Request Interrupted"', client_leaves,
        dynos=(silent,), page=False, asked=True),
    Row("H28", 499, 'at=warning code=H28 desc="Client Connection Idle"', client_stalls, settings=QUICK, page=False,
        asked=True),
    Row("H31", 421, 'at=error code=H31 desc="Misdirected Request"', another_app),
    Row("H41", 401, 'at=info code=H41 desc="Unauthorized" cause="no password"', app_has(gate=CLOSED)),
    Row("H42", 429, 'at=warning code=H42 desc="Too many guesses"', guesses_all_day),
    Row("H43", 403, 'at=info code=H43 desc="Address not allowed"',
        app_has(gate=Gate(networks=(ip_network("192.0.2.0/24"),)))),
    Row("H80", 503, 'at=info code=H80 desc="Maintenance mode"', app_is(State.MAINTENANCE)),
    Row("H84", 503, 'at=warning code=H84 desc="Paused"', app_has(paused_until=int(time()) + 3600),
        settings=replace(PATIENT, pause_wait=0.1)),
    Row("H99", 503, 'at=error code=H99 desc="Platform error"', broken),
    Row("H99", 503, 'at=error code=H99 desc="Platform error"', asked, dynos=(), settings=QUICK),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_code_has_its_page_its_status_and_its_line(row):
    async with rig(*row.dynos, settings=row.settings) as router, router.client() as client:
        answer = await row.provoke(router, client)
        line = await router.logged(row.opening)
        end = "bytes=[0-9]*" if row.asked else "bytes="
        timing = "dyno=web.1 connect=[0-9]+ms service=([0-9]+ms)?" if row.asked else "dyno= connect= service="
        assert re.fullmatch(
            f'{re.escape(row.opening)} method=[A-Z-]+ path="[^"]*" host=[a-z.]* request_id=[0-9a-f]{{32}} '
            f'fwd="127.0.0.1" {timing} status={row.status} {end} protocol=http',
            line,
        )
        assert (answer is not None) is row.page
        if answer is not None:
            assert (answer.status, answer.header("content-type")) == (row.status, "text/html; charset=utf-8")
            assert f"<h1>{title(row)}</h1>".encode() in answer.body


def title(row: Row) -> str:
    """What the page says."""
    if row.code == "H26":
        return faults.REASONS[row.status]
    if row.code == "H25":
        return html.escape(faults.restriction("").title)
    if row.code == "H99" and not row.dynos:
        return faults.NO_TABLE.title
    if row.code == "H41":
        return faults.unauthorized("", "").title
    return html.escape((getattr(faults, row.code) if row.code else faults.NO_APP).title)


def documented(page: str, after: str) -> list[list[str]]:
    """The rows of a table, by their cells."""
    lines = (DOCS / page).read_text().partition(after)[2].splitlines()[2:]
    return [line.strip("|").split(" | ") for line in lines[: lines.index("") if "" in lines else None]]


def codes(cell: str) -> list[str]:
    return re.findall(r"H[0-9]{2}", cell) or [""]


def test_every_code_has_a_row_in_the_documentation_and_is_provoked_with_each_status():
    told = {
        code: set(map(int, re.findall("[0-9]{3}", statuses)))
        for cell, _, statuses in documented("router.md", "| code | when | status |")
        for code in codes(cell)
    }
    provoked = {row.code: {other.status for other in ROWS if other.code == row.code} for row in ROWS}
    assert told == provoked
    assert told.keys() == {fault.code for fault in KNOWN} | {"H25", "H26", "H41"}


def test_every_code_is_explained_to_who_runs_an_app():
    text = (DOCS / "operations.md").read_text().partition("| code | meaning | do this |")[2]
    explained = re.findall(r"\b(H[0-9]{2}) ([A-Z][^|,]*?)(?=,| \|)", text)
    known = {fault.code: fault.desc for fault in KNOWN if fault.code}
    known |= {"H25": "HTTP restriction", "H26": "Request Error", "H41": "Unauthorized"}
    assert dict(explained) == known
