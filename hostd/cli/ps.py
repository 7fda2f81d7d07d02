"""ps, ps:wait, ps:restart, ps:stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, command
from hostd.cli.leaving import end_with_reader
from hostd.cli.output import ENDED, Style, age, cut, moment, printable, seconds, size_name
from hostd.cli.waiting import TIMEOUT, WAITING, is_wanted, wait_for_one_offs, wait_until_up

WHICH = (
    Option("dyno-name", "d", "one dyno, such as web.1", "DYNO", aliases=("dyno",)),
    Option("process-type", "p", "all dynos of one process type, such as web", "TYPE", aliases=("ps",)),
)
TYPE = Option("type", "t", "only the dynos of this process type", "TYPE")
WATCH = Option("watch", "w", "go on showing them until Ctrl-C")
YOUNG_SECONDS = 60
WATCH_SECONDS = 2.0
TURNS_SECONDS = 86_400.0
"""How long many web dynos that are restarted one after the other are waited for."""
CLEAR = "\x1b[H\x1b[J"


@command(
    "ps",
    "[TYPE...]",
    options=(WATCH, *FOR_APP, JSON),
    examples=("hostctl ps -a hello", "hostctl ps web -a hello", "hostctl ps --watch -a hello"),
)
def ps(call: Call) -> None:
    """List an app's dynos.

    Every dyno with its state and since when, grouped by process type; with TYPEs only those. With --watch a terminal
    shows them until Ctrl-C; into a pipe they are written again whenever something has changed, with --json each time
    as one line.
    """
    if call.flag("watch"):
        end_with_reader(call.around.stdout)
        never = threading.Event()
        watch(call, lambda: never.wait(WATCH_SECONDS))
        return
    app, dynos = call.app, _dynos(call)
    for word in call.words:
        if not any(_is_shown(dyno, [word]) for dyno in dynos):
            raise Refused(f"No {word} dynos on {app}")
    if call.flag("json"):
        call.print_json(dynos)
    elif dynos:
        call.print(*listing(dynos, call.around.clock(), call.style, call.width))
    else:
        call.say(f"No dynos on {call.error_style.app(app)}")


@command(
    "ps:wait",
    options=(
        TYPE,
        Option("with-run", "R", "wait for one-off dynos that are starting, too"),
        Option("wait-interval", "w", "nothing: hostd says by itself when they are up", "SECONDS"),
        TIMEOUT,
        *FOR_APP,
    ),
    examples=("hostctl ps:wait -a hello", "hostctl ps:wait --type web --timeout 2m -a hello"),
)
def wait(call: Call) -> None:
    """Wait until every dyno of the newest release is up.

    Web dynos must also take the app's requests, and others not have ended within two seconds. Exit status 1 if that is
    not so after --timeout; it says why.
    """
    if call.flag("with-run") and call.text("type"):
        raise Usage("--with-run is for all dynos: leave --type out.")
    call.number("wait-interval", 10, 1, 3600)
    wait_until_up(call, call.app, call.text("type"))
    if call.flag("with-run"):
        wait_for_one_offs(call, call.app)


@command(
    "ps:restart",
    "[DYNO]",
    options=(*WAITING, *FOR_APP, *WHICH),
    answers=True,
    examples=(
        "hostctl ps:restart -a hello",
        "hostctl ps:restart -p web -a hello",
        "hostctl restart web.1 -a hello",
        "hostctl restart --wait --timeout 2m -a hello",
    ),
)
def restart(call: Call) -> None:
    """Restart an app's dynos.

    All of them, or one (web.1), or those of one process type (web). Of several web dynos one follows the other, each
    when the one before is up, so that the app goes on to answer; to have them all end at once, use ps:stop. Ctrl-C
    ends only the waiting.
    """
    app, which, waits = call.app, _which(call), is_wanted(call)
    what = "all dynos" if which is None else _called(which)
    with call.action(f"Restarting {what} on {call.error_style.app(app)}"):
        target = path("apps", app, "dynos", *([which] if which else []))
        call.client.request("DELETE", target, seconds=TURNS_SECONDS)
    if waits:
        wait_until_up(call, app, which.partition(".")[0] if which else None)


@command(
    "ps:stop",
    "[DYNO]",
    options=(*FOR_APP, *WHICH),
    answers=True,
    examples=("hostctl ps:stop run.4821 -a hello", "hostctl ps:stop -p worker -a hello"),
)
def stop(call: Call) -> None:
    """Stop a dyno, or the dynos of a process type.

    Dynos of the formation start again at once: to have fewer of them, use ps:scale.
    """
    app, which = call.app, _which(call)
    if which is None:
        raise Usage("Which dyno? Say -d web.1, or -p web for all of a process type.")
    with call.action(f"Stopping {_called(which)} on {call.error_style.app(app)}"):
        call.client.request("POST", path("apps", app, "dynos", which, "actions", "stop"))


def watch(call: Call, pause: Callable[[], object]) -> None:
    """Show the dynos again after each pause; where no terminal is, only if something has changed."""
    terminal, shown = call.around.stdout.isatty(), None
    while True:
        dynos = _dynos(call)
        lines = listing(dynos, call.around.clock(), call.style, call.width) or [f"No dynos on {call.app}"]
        if call.flag("json"):
            lines = [json.dumps(dynos, ensure_ascii=False)]
        if terminal and not call.flag("json"):
            call.write("".join([CLEAR, *(f"{line}\n" for line in lines)]).encode())
        elif dynos != shown:
            call.write("".join(f"{line}\n" for line in lines).encode())
        shown = dynos
        pause()


def listing(dynos: Sequence[dict[str, Any]], now: float, style: Style, width: int) -> list[str]:
    """The lines of `ps`; `width` cuts the commands to fit a terminal, 0 leaves them whole."""
    lines: list[str] = []
    for (type_, size, command_), group in _groups(dynos).items():
        if type_ == "run":
            title = f"=== {style.paint('run', 32)}: one-off processes ({len(group)})"
            shown = [_one_off(dyno, now, style, width) for dyno in group]
        else:
            newest = max(_version(dyno) for dyno in group)
            count = sum(_version(dyno) == newest for dyno in group)
            head, tail = f"=== {type_} ({size_name(size)}): ", f" ({count})"
            fitted = cut(command_, width - len(head) - len(tail)) if width else command_
            title = f"=== {style.paint(type_, 32)} ({size_name(size)}): {fitted}{tail}"
            shown = [
                f"{dyno['name']}: {since(dyno, now, style)}{_remark(dyno, newest)}" for dyno in group
            ]
        lines += [title, "", *shown, ""]
    return lines


def since(dyno: dict[str, Any], now: float, style: Style) -> str:
    """A dyno's state and for how long: `up 2015/11/17 17:37:41 +0000 (~ 1h ago)`, `crashed for 4s`."""
    state, stamp = dyno["state"], dyno["updated_at"]
    duration = now - seconds(stamp)
    if state == "up" and duration >= YOUNG_SECONDS:
        return f"{style.state(state)} {moment(stamp, now)}"
    text = f"{style.state(state)} for {age(duration)}"
    retry = (dyno.get("extended") or {}).get("retry_at")
    if state == "crashed" and retry and seconds(retry) > now:
        text += f", starts again in {age(seconds(retry) - now)}"
    return text


def _groups(dynos: Iterable[dict[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for dyno in sorted(dynos, key=lambda dyno: (dyno["type"] == "run", dyno["type"], _number(dyno["name"]))):
        one_off = dyno["type"] == "run"
        key = ("run", "", "") if one_off else (dyno["type"], dyno["size"], printable(dyno["command"]))
        groups.setdefault(key, []).append(dyno)
    return groups


def _one_off(dyno: dict[str, Any], now: float, style: Style, width: int) -> str:
    head = f"{dyno['name']} ({size_name(dyno['size'])}): {since(dyno, now, style)}: "
    command_ = printable(dyno["command"])
    return head + (cut(command_, width - len(head)) if width else command_)


def _remark(dyno: dict[str, Any], newest: int) -> str:
    """That a dyno ends, or of one of an older release what it still does: serve, while the newer is not up, or end."""
    more = dyno.get("extended") or {}
    if _version(dyno) < newest:
        return f" ({'serving' if more.get('serving') else 'stopping'}, v{_version(dyno)})"
    return " (stopping)" if more.get("stopping") else ""


def _version(dyno: dict[str, Any]) -> int:
    return int((dyno.get("release") or {}).get("version") or 0)


def _number(name: str) -> int:
    digits = name.rpartition(".")[2]
    return int(digits) if digits.isdigit() else 0


def _dynos(call: Call) -> list[dict[str, Any]]:
    # One that has ended is there for who asks for it by its name.
    ended = 1 if any("." in word for word in call.words) else None
    found = call.client.get(path("apps", call.app, "dynos", ended=ended))
    return [dyno for dyno in found if _is_shown(dyno, call.words)]


def _is_shown(dyno: dict[str, Any], types: Sequence[str]) -> bool:
    if dyno["state"] == "complete" or (dyno["type"] in ("run", "scheduler") and dyno["state"] in ENDED):
        return dyno["name"] in types
    return not types or dyno["type"] in types or dyno["name"] in types


def _which(call: Call) -> str | None:
    named = [name for name in (call.text("dyno-name"), call.text("process-type"), call.word) if name]
    if len(named) > 1:
        raise Usage(f"Which: {' or '.join(named)}?")
    return named[0] if named else None


def _called(which: str) -> str:
    return f"dyno {which}" if "." in which else f"all {which} dynos"
