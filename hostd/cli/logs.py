"""logs: what was logged, and what is being logged."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime

from hostd.cli.call import Call
from hostd.cli.client import LOGPLEX_SOCKET, Client, path
from hostd.cli.command import FOR_APP, Option, Usage, command
from hostd.cli.logcolour import Painter
from hostd.errors import Unavailable

LINES = 100
MOST_LINES = 1500
"""What the logplex keeps of an app, as Heroku's does."""
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
    if wanted.get("tail"):
        stream = follow(call.client, app, wanted, call.around.clock())
    else:
        stream = _pieces(_open(call.client, app, wanted))
    for lines in stream:
        call.write(painter.paint(lines))


class Seen:
    """Which lines were shown already, so that a stream that is opened again repeats none.

    Remembers the last lines; older ones are told by their timestamp, which all lines begin with.
    """

    def __init__(self, since: str, limit: int = 2 * MOST_LINES) -> None:
        self._oldest = since.encode()
        self._limit = limit
        self._order: deque[bytes] = deque()
        self._known: Counter[bytes] = Counter()

    def add(self, line: bytes) -> None:
        """Remember a line that is shown."""
        self._order.append(line)
        self._known[line] += 1
        if len(self._order) > self._limit:
            dropped = self._order.popleft()
            self._known[dropped] -= 1
            self._oldest = dropped.partition(b" ")[0]

    def again(self) -> Counter[bytes]:
        """The lines known now, to be counted down while the stream is repeated."""
        return +self._known

    def is_new(self, line: bytes, known: Counter[bytes]) -> bool:
        """False for a line that was shown before the break."""
        if known[line] > 0:
            known[line] -= 1
            return False
        return line.partition(b" ")[0] >= self._oldest


def follow(client: Client, app: str, wanted: dict[str, object], since: float) -> Iterator[list[bytes]]:
    """Lines of a tail begun at *since* (Unix time), over as many connections as it takes.

    Raises Unavailable when the stream broke off and could not be opened again for a minute.
    """
    seen = Seen(datetime.fromtimestamp(since, UTC).isoformat(timespec="microseconds"))
    known: Counter[bytes] | None = None
    response = _open(client, app, wanted)
    while True:
        try:
            for lines in _pieces(response):
                fresh = lines if known is None else [line for line in lines if seen.is_new(line, known)]
                for line in fresh:
                    seen.add(line)
                yield fresh
        except (OSError, http.client.HTTPException):
            response.close()
        known = seen.again()
        response = _reopen(client, app, {**wanted, "lines": MOST_LINES})


def _reopen(client: Client, app: str, wanted: dict[str, object]) -> http.client.HTTPResponse:
    deadline = time.monotonic() + RECONNECT_SECONDS
    while True:
        _NEVER.wait(RECONNECT_PAUSE)
        try:
            return _open(client, app, wanted)
        except Unavailable:
            if time.monotonic() > deadline:
                raise


def _open(client: Client, app: str, wanted: dict[str, object]) -> http.client.HTTPResponse:
    session = client.request("POST", path("apps", app, "log-sessions"), wanted).data
    # The address is for any client; we reach the logplex on its socket, and need only what follows the host.
    target = "/" + str(session["logplex_url"]).split("/", 3)[3]
    return client.stream("GET", target, headers={"Accept": "text/plain"}, socket_name=LOGPLEX_SOCKET)


def _pieces(response: http.client.HTTPResponse) -> Iterator[list[bytes]]:
    """Whole lines, as many as have come."""
    rest = b""
    with response:
        while piece := response.read1(PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            if lines:
                yield [line + b"\n" for line in lines]
    if rest:
        yield [rest + b"\n"]


def _process(call: Call) -> str | None:
    type_, dyno = call.text("process-type"), call.text("dyno-name")
    if type_ and dyno:
        raise Usage(f"Which lines: those of {type_}, or of {dyno}?")
    return type_ or dyno
