"""router: how it is; router:info, router:mask, router:pause, router:resume: what it does for an app."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.duration import seconds_of, written
from hostd.cli.output import age, columns, pairs, printable, utc

_PAUSE = 300
"""Seconds."""


_SHOWN = {
    "table": "sequence",
    "connections": "connections",
    "in flight": "in_flight",
    "held": "held",
    "websockets": "tunnels",
    "requests": "requests",
    "lost lines": "log_lines_lost",
    "compiled": "compiled",
}
"""Columns, and what the workers call what is in them."""


@command("router", options=(JSON,), examples=("hostctl router", "hostctl router --json"))
def router(call: Call) -> int:
    """Show how the workers of the router are.

    The number of the route table in force, open connections, requests that dynos work on, those that wait for a dyno,
    open WebSockets, all requests since the worker began, lines that the journal did not take, and whether the worker
    is machine code or runs interpreted, at half the speed. Exit status 1 if a worker does not answer.
    """
    found = call.client.get(path("hostd", "router"))
    if call.flag("json"):
        call.print_json(found)
    else:
        call.print(*columns([("worker", "up for", *_SHOWN), *map(_row, found)]))
    silent = [worker["worker"] for worker in found if not worker["answers"]]
    for number in silent:
        call.warn(f"Worker {number} does not answer. See: systemctl status hostd-router@{number}")
    return 1 if silent else 0


@command("router:info", options=(*FOR_APP, JSON), examples=("hostctl router:info -a hello",))
def info(call: Call) -> None:
    """Show what the router was told of an app: whether its requests are paused, and what stays out of its log."""
    found = call.client.get(path("hostd", "apps", call.app, "routing"))
    if call.flag("json"):
        call.print_json(found)
        return
    until = found["paused_until"]
    shown = {
        "Requests": f"paused until {utc(until)}" if until else "pass",
        "Masked": ", ".join(map(printable, found["masked"])) or "nothing",
    }
    call.print(*pairs(shown, call.style))


@command(
    "router:mask",
    "[NAME...]",
    options=(Option("off", None, "mask nothing"), *FOR_APP, JSON),
    examples=(
        "hostctl router:mask -a hello",
        "hostctl router:mask token key -a hello",
        "hostctl router:mask --off -a hello",
    ),
)
def mask(call: Call) -> None:
    """Show or set the query parameters whose values stay out of an app's log.

    The router's line then says path="/?token=[masked]". These names and no others are masked, upper and lower case
    and however they are encoded; token is also token[] and token[a]. The app gets everything as it comes. Lines that
    are in the log already stay as they are.
    """
    app, target = call.app, path("hostd", "apps", call.app, "routing")
    names = [name for word in call.words for name in word.split(",") if name]
    if names and call.flag("off"):
        raise Usage("Which: names or --off?")
    if names or call.flag("off"):
        with call.action(f"Masking {', '.join(names) or 'nothing'} in the log of {call.error_style.app(app)}"):
            call.client.request("PATCH", target, {"masked": names})
        return
    found = call.client.get(target)["masked"]
    if call.flag("json"):
        call.print_json(found)
    elif found:
        call.print(*map(printable, found))
    else:
        call.say("Nothing is masked. Mask something: hostctl router:mask token")


@command(
    "router:pause",
    options=(Option("for", None, "end by itself after this time (default: 5m, at most 1h)", "TIME"), *FOR_APP),
    answers=True,
    examples=("hostctl router:pause -a hello", "hostctl router:pause --for 30s -a hello"),
)
def pause(call: Call) -> None:
    """Let an app's requests wait, as for a change that takes some seconds.

    Requests that dynos work on are finished, and WebSockets stay open. New ones wait until router:resume, each at most
    30 seconds, and then get status 503 (H84). For longer, see maintenance:on. A pause ends by itself, and outlives
    restarts of hostd, of the router and of the machine.
    """
    app, time = call.app, call.text("for")
    seconds = seconds_of(time) if time else _PAUSE
    with call.action(f"Pausing requests to {call.error_style.app(app)} for {written(seconds)}") as action:
        found = call.client.request("PATCH", path("hostd", "apps", app, "routing"), {"pause": seconds}).data
        action.done = f"until {utc(found['paused_until'])}"


@command("router:resume", options=FOR_APP, answers=True, examples=("hostctl router:resume -a hello",))
def resume(call: Call) -> None:
    """End a pause: the requests that wait go on at once."""
    app = call.app
    with call.action(f"Resuming requests to {call.error_style.app(app)}"):
        call.client.request("PATCH", path("hostd", "apps", app, "routing"), {"pause": None})


def _row(worker: dict[str, Any]) -> tuple[str, ...]:
    up = age(worker["uptime"]) if worker["answers"] else "-"
    return (str(worker["worker"]), up, *(_word(worker.get(name)) for name in _SHOWN.values()))


def _word(said: int | bool | None) -> str:
    if said is None:
        return "-"
    return ("no", "yes")[said] if isinstance(said, bool) else str(said)
