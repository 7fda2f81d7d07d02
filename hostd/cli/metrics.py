"""metrics, metrics:apps, metrics:prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import columns, printable
from hostd.cli.scrape import serve
from hostd.cli.sparkline import sparkline

SINCE = Option("since", None, "how far back: 90m, 24h, 7d (default: 24h), at most 31d", "TIME")
SINCE_OF_ALL = Option("since", None, "how far back: 30m, 6h (default: 1h), at most 24h", "TIME")
STEP = Option("step", None, "one figure for so much time: 1m, 5m, 1h (default: what fits)", "TIME")
TYPE = Option("type", "t", "only the dynos of this process type", "TYPE")
DYNO = Option("dyno", "d", "only this dyno, such as web.1", "DYNO")
SORT = Option("sort", None, "by requests, errors, p95, memory, cpu, restarts or name (default: requests)", "WHAT")
LISTEN = Option("listen", None, "stay, and answer Prometheus at ADDRESS:PORT, such as 127.0.0.1:9180", "ADDRESS")
LONGEST = 31 * 86400
LONGEST_OF_ALL = 86400

_TIME = re.compile(r"([0-9]{1,7})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ROWS: Mapping[str, tuple[str, bool]] = {
    "requests": ("requests/min", True),
    "errors": ("5xx/min", True),
    "p50": ("p50 ms", False),
    "p95": ("p95 ms", False),
    "p99": ("p99 ms", False),
    "memory": ("memory MB", False),
    "cpu": ("cpu %", False),
    "load": ("load", False),
    "restarts": ("crashes", True),
}
"""What each metric is called, and whether it is counted: then its sum is told, and not its mean."""
_PER_MINUTE = ("requests", "errors")
_NARROWEST = 10
_WIDTH_IN_PIPES = 100
_MOST_DYNOS = 40
_SORTS = ("requests", "errors", "p95", "memory", "cpu", "restarts", "name")


@command(
    "metrics",
    options=(SINCE, STEP, TYPE, DYNO, *FOR_APP, JSON),
    examples=(
        "hostctl metrics -a hello",
        "hostctl metrics --since 7d --type web -a hello",
        "hostctl metrics --since 30m --json -a hello",
    ),
)
def metrics(call: Call) -> None:
    """Show an app's metrics: requests, response times, memory, processor, crashes, codes and releases.

    Each line has the newest figure, the mean, the largest, and all of them as a line of bars. Memory is that of the
    largest dyno, cpu of all together in per cent of one processor. Minutes are kept for a week, five minutes together
    for a month.
    """
    app, now = call.app, call.around.clock()
    since = _span(call.text("since") or "24h", "--since", LONGEST)
    step = call.text("step")
    query = {
        "since": int(now - since),
        "until": int(now),
        "step": None if step is None else _span(step, "--step", 86400),
        "type": call.text("type"),
        "dyno": call.text("dyno"),
    }
    found = call.client.get(path("apps", app, "metrics", **query))
    if call.flag("json"):
        call.print_json(found)
        return
    title = f"{call.style.app(app)}, last {_written(since)}, a figure for each {_written(found['step'])}"
    call.print(call.style.heading(title), "", *_chart(call, found))
    if found["dynos"]:
        call.print("", call.style.heading("Dynos"), "", *_dynos(found["dynos"], found["until"] - found["since"]))
    if found["releases"]:
        call.print("", call.style.heading("Releases"), "", *_releases(found, call.width))


@command(
    "metrics:apps",
    options=(SINCE_OF_ALL, SORT, JSON),
    examples=("hostctl metrics:apps", "hostctl metrics:apps --since 24h --sort memory"),
)
def apps(call: Call) -> None:
    """Show all your apps with their metrics, the largest first.

    Of the last hour: requests a minute, answers with 5xx, response time, memory of the largest dyno, processor of all
    dynos together, crashes and codes.
    """
    sort = call.text("sort") or "requests"
    if sort not in _SORTS:
        raise Usage(f"--sort must be one of {', '.join(_SORTS)}, not {sort!r}.")
    since, now = _span(call.text("since") or "1h", "--since", LONGEST_OF_ALL), call.around.clock()
    found = call.client.get(path("hostd", "metrics", "apps", since=int(now - since), until=int(now)))
    found.sort(key=_order(sort))
    if call.flag("json"):
        call.print_json(found)
    elif found:
        head = ("app", "dynos", "req/min", "5xx", "p95 ms", "memory MB", "quota", "cpu %", "crashes", "codes")
        call.print(*columns([head, *map(_app_row, found)]))
    else:
        call.say("There are no apps yet. Make one: hostctl apps:create")


@command(
    "metrics:prometheus",
    options=(LISTEN,),
    examples=("hostctl metrics:prometheus", "hostctl metrics:prometheus --listen 127.0.0.1:9180"),
)
def prometheus(call: Call) -> None:
    """Print the metrics of all apps and of the platform for Prometheus, in its text format. Admins only.

    With --listen it stays and answers http://ADDRESS:PORT/metrics, and nothing else, until Ctrl-C: for a Prometheus on
    the same machine, or in a network that you trust, as it asks nobody who they are.
    """
    where = call.text("listen")
    if where is None:
        call.write(_everything(call))
        return
    if call.around.over_ssh:
        raise Usage("--listen is for the server itself. Over ssh: ssh git@HOST metrics:prometheus")
    address, _, port = where.rpartition(":")
    if not (address and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise Usage(f"--listen must be an address and a port, such as 127.0.0.1:9180, not {where!r}.")
    # Whatever is wrong with hostd is said now, and not to Prometheus alone.
    _everything(call)
    serve(address.strip("[]"), int(port), lambda: _everything(call), call.say)


def _everything(call: Call) -> bytes:
    text: str = call.client.get(path("hostd", "metrics"))
    return text.encode()


def _chart(call: Call, found: dict[str, Any]) -> list[str]:
    rows: list[tuple[str, list[str], list[float | None]]] = []
    minutes = found["step"] / 60
    for name, (title, counted) in _ROWS.items():
        values = found["metrics"][name]
        if name in _PER_MINUTE:
            values = [None if value is None else value / minutes for value in values]
        rows.append((title, _told(values, total=counted and name not in _PER_MINUTE), values))
    for code, values in found["codes"].items():
        rows.append((printable(code), _told(values, total=True), values))
    head = ("", "now", "mean", "max")
    table = columns([head, *((title, *told) for title, told, _ in rows)])
    room = _width(call) - max(map(len, table)) - 2
    if room < _NARROWEST:
        return table
    plain, wide = not _draws(call), max(map(len, table))
    lines = [sparkline(values, room, ascii_only=plain) for _, _, values in rows]
    return [table[0], *(f"{row.ljust(wide)}  {line}".rstrip() for row, line in zip(table[1:], lines, strict=True))]


def _told(values: Sequence[float | None], *, total: bool) -> list[str]:
    known = [value for value in values if value is not None]
    if not known:
        return ["-", "-", "-"]
    # The last figure is often still to come; an older one than the one before is not how things are now.
    last = next((value for value in reversed(values[-2:]) if value is not None), None)
    middle = f"{_figure(sum(known))} in all" if total else _figure(sum(known) / len(known))
    return [_figure(last), middle, _figure(max(known))]


def _dynos(dynos: Sequence[dict[str, Any]], seconds: float) -> list[str]:
    head = ("dyno", "req/min", "5xx", "p95 ms", "memory MB", "quota", "cpu %", "load", "crashes", "codes")
    rows = [
        (printable(each["name"]), _rate(each["requests"], seconds), str(each["errors"]), _figure(each["p95"]),
         _figure(each["memory_max"]), _share(each["memory_quota"]), _figure(each["cpu"]), _figure(each["load"]),
         str(each["restarts"]), _codes(each["codes"]))
        for each in dynos[:_MOST_DYNOS]
    ]  # fmt: skip
    left = len(dynos) - _MOST_DYNOS
    return [*columns([head, *rows]), *([f"... and {left} more: see --type, --dyno, --json"] if left > 0 else [])]


def _releases(found: dict[str, Any], width: int) -> list[str]:
    rows = (
        (
            f"v{each['version']}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(each["at"])),
            printable(each["description"]),
            each["user"]["email"],
        )
        for each in reversed(found["releases"])
    )
    return columns(rows, width=width, shorten=(2, 3))


def _app_row(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        each["app"]["name"], str(each["dynos"]), _rate(each["requests"], each["seconds"]), str(each["errors"]),
        _figure(each["p95"]), _figure(each["memory_max"]), _share(each["memory_quota"]), _figure(each["cpu"]),
        str(each["restarts"]), _codes(each["codes"]),
    )  # fmt: skip


def _order(sort: str) -> Callable[[dict[str, Any]], tuple[float, str]]:
    field = "memory_max" if sort == "memory" else sort
    return lambda each: (0.0 if sort == "name" else -(each[field] or 0.0), each["app"]["name"])


def _figure(value: float | None) -> str:
    """A figure in as few digits as say something: `0.25`, `3.1`, `412`."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"


def _rate(count: float, seconds: float) -> str:
    return _figure(60 * count / max(1.0, seconds))


def _share(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.0f}%"


def _codes(codes: Mapping[str, int]) -> str:
    return " ".join(f"{printable(code)}={count}" for code, count in codes.items())


def _span(text: str, flag: str, most: int) -> int:
    found = _TIME.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 60 <= seconds <= most:
        raise Usage(f"{flag} must be a time from 1m to {_written(most)}: 30m, 24h, 7d. It is {text!r}.")
    return seconds


def _written(seconds: float) -> str:
    for unit in ("d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{int(seconds)}s"


def _width(call: Call) -> int:
    return call.width or _WIDTH_IN_PIPES


def _draws(call: Call) -> bool:
    """Whether what is on the other side shows more than ASCII."""
    stdout = call.around.stdout
    return stdout.isatty() and (stdout.encoding or "").lower().replace("-", "") == "utf8"
