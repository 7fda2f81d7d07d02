"""logs: what was logged, and what is being logged."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.command import FOR_APP, Option, Usage, command
from hostd.errors import Invalid

LINES = 100
MOST_LINES = 10_000
"""As many as the logplex counts back; since a time, there is no limit."""


@command(
    "logs",
    options=(
        *FOR_APP,
        Option("tail", "t", "go on as more is logged"),
        Option("num", "n", f"how many lines (default: {LINES}, or all with --since; at most {MOST_LINES})", "NUMBER"),
        Option("source", "s", "only lines of the app's processes (app) or of the platform (heroku)", "SOURCE"),
        Option(
            "process-type", "p", "only lines of this process type (web), dyno (web.1) or part of the platform (router, "
            "api); -router: all but these", "TYPE", many=True, aliases=("ps",),
        ),
        Option("dyno-name", "d", "only lines of this dyno, such as web.1", "DYNO", many=True, aliases=("dyno",)),
        Option("since", None, "only lines since then: 10m, 2h, 1d, yesterday, 10:48, 2026-01-27T10:48 (UTC)", "TIME"),
        Option("until", None, "only lines until then", "TIME"),
        Option("grep", "g", "only lines whose text the pattern is found in (PCRE2)", "PATTERN"),
        Option("ignore-case", "i", "take a and A for the same in --grep"),
        Option("request-id", None, "only lines with the id of this request", "ID"),
        Option("json", "j", "print one JSON object for each line"),
        Option("raw", None, "print bytes as they were written, harmful to a terminal or not"),
        Option("no-color", None, "no colours", aliases=("no-colour",)),
        Option("force-colors", None, "colours also where no terminal is", aliases=("force-colours",)),
    ),
    examples=(
        "hostctl logs -a hello",
        "hostctl logs --tail -p web -a hello",
        "hostctl logs --since 2h -p web -p worker -a hello",
        "hostctl logs -t -p -router -a hello",
        "hostctl logs -n 1500 --source heroku --ps api -a hello",
        "hostctl logs --grep 'status=5\\d\\d' --since yesterday -a hello",
        "hostctl logs --json -p router -a hello | jq .request.service",
    ),
)  # fmt: skip
def logs(call: Call) -> None:
    """Print an app's log: every process, the router and the platform, in one stream.

    --source heroku --ps api shows what people did, --source heroku --ps router the requests. -p and -d may be given
    several times; a line of any of them is shown. Times without a zone are UTC, as in the log. --grep and --request-id
    look through everything that is kept. A tail goes on after a break of the connection, without losing or repeating
    lines.
    """
    show(call, call.app, _wanted(call))


def show(call: Call, app: str, wanted: dict[str, object]) -> None:
    """Print a log session's lines as they come."""
    from hostd.cli.leaving import end_with_reader
    from hostd.cli.logcolour import Painter
    from hostd.cli.logstream import read

    end_with_reader(call.around.stdout, quietly=True)
    plain = call.flag("no-color") or wanted.get("format", "text") != "text"
    painter = Painter((call.style.colour or call.flag("force-colors")) and not plain)
    remarks = _Remarks(call)
    try:
        for lines in read(call.client, app, wanted, remarks):
            remarks.clear()
            call.write(painter.paint(lines))
    finally:
        remarks.clear()


class _Remarks:
    """What is said about a stream, on stderr. How far a search is stands on one line, and only on a terminal."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._shown = False

    def progress(self, text: str) -> None:
        """A search goes on."""
        if self._call.around.stderr.isatty():
            self._call.say(f"\r{text}\x1b[K", end="")
            self._shown = True

    def notice(self, text: str) -> None:
        """Something to know."""
        self.clear()
        self._call.warn(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._call.say("\r\x1b[K", end="")
            self._shown = False


def _wanted(call: Call) -> dict[str, object]:
    """The body of a log session; raises Usage."""
    from hostd.logplex.filters import checked_request_id, parted
    from hostd.logplex.names import checked_source

    since, until = _span(call)
    tail, processes = call.flag("tail"), call.texts("process-type") + call.texts("dyno-name")
    if tail and until is not None:
        raise Usage("--until ends a log, and --tail never does: leave one of them out.")
    if call.flag("json") and call.flag("raw"):
        raise Usage("--json holds the text as it was written: leave --raw out.")
    if call.flag("ignore-case") and call.text("grep") is None:
        raise Usage("--ignore-case is for --grep.")
    if call.text("grep") == "":
        raise Usage("--grep is empty.")
    try:
        parted(processes)
        source, request_id = checked_source(call.text("source")), checked_request_id(call.text("request-id"))
    except Invalid as error:
        raise Usage(error.message) from None
    some: dict[str, object] = {
        "lines": None if since and call.text("num") is None else call.number("num", LINES, 0, MOST_LINES),
        "source": source,
        "processes": processes or None,
        "since": since,
        "until": until,
        "grep": call.text("grep"),
        "ignore_case": call.flag("ignore-case") or None,
        "request_id": request_id,
        "format": "json" if call.flag("json") else "raw" if call.flag("raw") else None,
    }
    return {"tail": tail} | {key: value for key, value in some.items() if value is not None}


def _span(call: Call) -> tuple[str | None, str | None]:
    """--since and --until as the API takes them, which after a break mean the same as before."""
    from hostd.logplex.lines import stamp
    from hostd.logplex.times import MICROSECONDS, checked_span, moment

    now = int(call.around.clock() * MICROSECONDS)
    try:
        since, until = (None if (text := call.text(name)) is None else moment(text, now) for name in ("since", "until"))
        checked_span(since, until, now)
    except Invalid as error:
        raise Usage(error.message) from None
    return (None if since is None else stamp(since)), (None if until is None else stamp(until))
