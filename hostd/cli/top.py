"""ps:top: what dynos use, as it changes."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.leaving import end_with_reader
from hostd.cli.output import BOLD, ESCAPE, RED, YELLOW, Style, age, columns, cut, printable, seconds, size_name
from hostd.errors import HostdError

ALL = Option("all", None, "the dynos of all your apps")
ONCE = Option("once", None, "show them once, and end; as where there is no terminal")
SORT = Option("sort", None, "by cpu, memory or name (default: cpu)", "WHAT")
EVERY = Option("interval", "n", "seconds between two looks, 1 to 60 (default: 2)", "SECONDS")

_SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "cpu": lambda dyno: -(dyno["cpu"] or 0.0),
    "memory": lambda dyno: -(dyno["memory"] or 0.0),
    "name": lambda dyno: 0,
}
_KEYS = {"c": "cpu", "m": "memory", "n": "name"}
_QUIT = ("q", "Q", "\x03", "\x04")
_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME = "\x1b[H\x1b[J"
_NEARLY_FULL, _FULL = 90, 100
"""Per cent of the quota."""


@command(
    "ps:top",
    options=(ALL, SORT, ONCE, EVERY, *FOR_APP, JSON),
    examples=(
        "hostctl ps:top -a hello",
        "hostctl ps:top --all --sort memory",
        "hostctl ps:top --once -a hello",
        "ssh -t git@HOST ps:top -a hello",
    ),
)
def top(call: Call) -> None:
    """Watch what dynos use: processor, memory, load averages.

    Like top: c, m and n sort by processor, memory and name, the space bar looks again, and q ends it. Processor is in
    per cent of one, since the look before. Memory is what counts against the quota. Over ssh it needs a terminal (-t).
    """
    sort = call.text("sort") or "cpu"
    if sort not in _SORTS:
        raise Usage(f"--sort must be cpu, memory or name, not {sort!r}.")
    interval = call.number("interval", 2, 1, 60)
    if call.flag("all") and call.text("app"):
        raise Usage("Which: --all or -a?")
    target = path("hostd", "usage") if call.flag("all") else path("hostd", "apps", call.app, "usage")
    if call.flag("json"):
        call.print_json(_sorted(call.client.get(target), sort))
    elif call.flag("once") or not (call.around.stdin.isatty() and call.around.stdout.isatty()):
        dynos = _sorted(call.client.get(target), sort)
        call.print(*table(dynos, call.around.clock(), call.style, apps=call.flag("all")))
    else:
        end_with_reader(call.around.stdout)
        with _terminal(call) as key:
            _watch(call, target, sort, key, interval)


def table(dynos: Sequence[dict[str, Any]], now: float, style: Style, *, apps: bool) -> list[str]:
    """The dynos as lines, under a line of heads."""
    if not dynos:
        return ["No dynos"]
    head = ("dyno", "cpu %", "memory MB", "quota", "swap", "load 1m", "5m", "15m", "size", "release", "state")
    rows = [(*(["app"] if apps else []), *head)]
    for dyno in dynos:
        load = dyno["load"] or (None, None, None)
        share = None if dyno["memory_quota"] is None else f"{dyno['memory_quota']:.0f}%"
        figures = (_told(dyno["cpu"], 1), _told(dyno["memory"], 1), _marked(share, dyno["memory_quota"], style),
                   _told(dyno["swap"], 1), *(_told(value, 2) for value in load))  # fmt: skip
        state = f"{style.state(dyno['state'])} for {age(now - seconds(dyno['since']))}"
        row = (printable(dyno["name"]), *figures, size_name(dyno["size"]), f"v{dyno['release']}", state)
        rows.append((*([dyno["app"]["name"]] if apps else []), *row))
    return columns(rows)


def screen(call: Call, dynos: Sequence[dict[str, Any]], sort: str, note: str = "") -> str:
    """What fills the terminal: a line in sum, the dynos, and which keys there are."""
    width, height = shutil.get_terminal_size()
    cpu, memory = (sum(dyno[name] or 0.0 for dyno in dynos) for name in ("cpu", "memory"))
    whose = "all apps" if call.flag("all") else call.app
    clock = time.strftime("%H:%M:%S", time.localtime(call.around.clock()))
    summary = f"{clock}  {whose}: {len(dynos)} dynos, {cpu:.1f} % cpu, {memory:.1f} MB"
    lines = table(dynos, call.around.clock(), call.style, apps=call.flag("all"))
    room = max(1, height - 4)
    more = [f"... and {len(lines) - room} more"] if len(lines) > room else []
    keys = note or f"by {sort}   c cpu  m memory  n name  q quit"
    shown = [cut(summary, width), "", *(_fit(line, width) for line in lines[:room]), *more]
    return _HOME + "".join(f"{line}\r\n" for line in shown) + call.style.paint(cut(keys, width), BOLD)


def _watch(call: Call, target: str, sort: str, key: Callable[[float], str], interval: float) -> None:
    """Show, wait for a key or the next look, and again, until somebody quits."""
    dynos: list[dict[str, Any]] = []
    while True:
        note = ""
        try:
            dynos = call.client.get(target)
        except HostdError as error:
            if not dynos:
                raise
            note = cut(error.message, 200)
        dynos = _sorted(dynos, sort)
        call.write(screen(call, dynos, sort, note).encode())
        until = time.monotonic() + interval
        while (left := until - time.monotonic()) > 0:
            pressed = key(left)
            if pressed in _QUIT:
                return
            if pressed in _KEYS:
                sort = _KEYS[pressed]
                dynos = _sorted(dynos, sort)
                call.write(screen(call, dynos, sort, note).encode())
            elif pressed == " ":
                break


@contextlib.contextmanager
def _terminal(call: Call) -> Iterator[Callable[[float], str]]:
    """The terminal for a screen of our own, and what tells the next key; afterwards all is as it was before."""
    descriptor = call.around.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def key(pause: float) -> str:
        readable, _, _ = select.select([descriptor], [], [], pause)
        # Nothing to be read is the end of the terminal.
        return os.read(descriptor, 1).decode("latin-1") or "q" if readable else ""

    try:
        tty.setcbreak(descriptor)
        call.write(_ENTER.encode())
        yield key
    finally:
        call.write(_LEAVE.encode())
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _sorted(dynos: Sequence[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    def place(dyno: dict[str, Any]) -> tuple[Any, ...]:
        type_, _, number = dyno["name"].partition(".")
        return _SORTS[sort](dyno), dyno["app"]["name"], type_, int(number) if number.isdigit() else 0

    return sorted(dynos, key=place)


def _fit(line: str, width: int) -> str:
    """Colours take no room; a line that is too long loses them with its end."""
    plain = ESCAPE.sub("", line)
    return line if len(plain) <= width else cut(plain, width)


def _marked(text: str | None, percent: float | None, style: Style) -> str:
    if text is None or percent is None:
        return "-"
    colour = RED if percent > _FULL else YELLOW if percent >= _NEARLY_FULL else None
    return style.paint(text, colour) if colour else text


def _told(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
