"""logs: what was logged, and what is being logged."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator

from hostd.cli.call import Call
from hostd.cli.client import LOGPLEX_SOCKET, Client, path
from hostd.cli.command import FOR_APP, Option, Usage, command
from hostd.cli.logcolour import Painter
from hostd.errors import Unavailable

LINES = 100
MOST_LINES = 1500
"""What the logplex keeps of an app, as Heroku's does."""
TEXT, EVENTS = "text/plain", "text/event-stream"
PIECE = 64 * 1024
RECONNECT_SECONDS = 60.0
"""How long a tail tries to go on after its stream broke off."""
RECONNECT_PAUSE = 1.0

_NEVER = threading.Event()


@command(
    "logs",
    options=(
        *FOR_APP,
        Option("tail", "t", "go on as more is logged"),
        Option("num", "n", f"how many lines (default: {LINES}, at most {MOST_LINES})", "NUMBER"),
        Option("source", "s", "only lines of the app's processes (app) or of the platform (heroku)", "SOURCE"),
        Option("process-type", "p", "only lines of one process type, such as web", "TYPE", aliases=("ps",)),
        Option("dyno-name", "d", "only lines of one dyno, such as web.1", "DYNO", aliases=("dyno",)),
        Option("no-color", None, "no colours", aliases=("no-colour",)),
    ),
    examples=(
        "hostctl logs -a hello",
        "hostctl logs --tail -p web -a hello",
        "hostctl logs -n 1500 --source heroku --ps api -a hello",
    ),
)
def logs(call: Call) -> None:
    """Print an app's log: every process, the router and the platform, in one stream.

    --source heroku --ps api shows what people did, --source heroku --ps router the requests. A tail goes on
    after a break of the connection, without losing or repeating lines.
    """
    wanted = {
        "lines": call.number("num", LINES, 0, MOST_LINES),
        "tail": call.flag("tail"),
        "source": call.text("source"),
        "dyno": _process(call),
    }
    if wanted["source"] not in (None, "app", "heroku"):
        raise Usage(f"There is no source {wanted['source']!r}: say app or heroku.")
    show(call, call.app, {key: value for key, value in wanted.items() if value is not None})


def show(call: Call, app: str, wanted: dict[str, object]) -> None:
    """Print a log session's lines as they come."""
    painter = Painter(call.style.colour and not call.flag("no-color"))
    stream = follow(call.client, app, wanted) if wanted.get("tail") else _pieces(_open(call.client, app, wanted, TEXT))
    for lines in stream:
        call.write(painter.paint(lines))


def follow(client: Client, app: str, wanted: dict[str, object]) -> Iterator[list[bytes]]:
    """Lines of a tail, over as many connections as it takes, none lost and none twice.

    Each event of the stream bears the journal's cursor; a stream that is opened again goes on behind the last one.
    Raises Unavailable when the stream broke off and could not be opened again for a minute.
    """
    last: str | None = None
    response = _open(client, app, wanted, EVENTS)
    while True:
        try:
            for cursor, lines in _events(response):
                last = cursor or last
                yield lines
        except (OSError, http.client.HTTPException):
            response.close()
        response = _reopen(client, app, wanted, last)


def _reopen(client: Client, app: str, wanted: dict[str, object], last: str | None) -> http.client.HTTPResponse:
    deadline = time.monotonic() + RECONNECT_SECONDS
    while True:
        _NEVER.wait(RECONNECT_PAUSE)
        try:
            return _open(client, app, wanted, EVENTS, last)
        except Unavailable:
            if time.monotonic() > deadline:
                raise


def _open(
    client: Client, app: str, wanted: dict[str, object], kind: str, last: str | None = None
) -> http.client.HTTPResponse:
    session = client.request("POST", path("apps", app, "log-sessions"), wanted).data
    # The address is for any client; we reach the logplex on its socket, and need only what follows the host.
    target = "/" + str(session["logplex_url"]).split("/", 3)[3]
    headers = {"Accept": kind, **({"Last-Event-ID": last} if last else {})}
    return client.stream("GET", target, headers=headers, socket_name=LOGPLEX_SOCKET)


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str | None, list[bytes]]]:
    """Server-sent events (HTML Standard, 9.2.6): each one's id and lines. An event cut off by a break is dropped."""
    cursor: str | None = None
    lines: list[bytes] = []
    for piece in _pieces(response, whole=True):
        for line in piece:
            field, _, value = line.partition(b": ")
            if field == b"id":
                cursor = value.decode().rstrip("\n")
            elif field == b"data":
                lines.append(value)
            elif line == b"\n" and lines:
                yield cursor, lines
                cursor, lines = None, []


def _pieces(response: http.client.HTTPResponse, *, whole: bool = False) -> Iterator[list[bytes]]:
    """Lines, as many as have come; with `whole`, none that the end of the stream has cut off."""
    rest = b""
    with response:
        while piece := response.read1(PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield [line + b"\n" for line in lines]
    if rest and not whole:
        yield [rest + b"\n"]


def _process(call: Call) -> str | None:
    type_, dyno = call.text("process-type"), call.text("dyno-name")
    if type_ and dyno:
        raise Usage(f"Which lines: those of {type_}, or of {dyno}?")
    return type_ or dyno
