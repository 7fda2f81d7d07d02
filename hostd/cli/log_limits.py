"""logs:info, logs:set: what an app's log takes, and may take."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import moment, pairs, size

SMALLEST_MB, LARGEST_MB = 16, 1 << 20
SHORTEST_DAYS, LONGEST_DAYS = 7, 3650
DEFAULT = "default"


@command(
    "logs:info",
    options=(*FOR_APP, JSON),
    examples=("hostctl logs:info -a hello", "hostctl logs:info -a hello --json"),
)
def info(call: Call) -> None:
    """Show where an app's log is, how much is in it, and how much of it is kept.

    Each app has a log of its own, so that no app's lines push out another's. When it is full, its oldest lines go.
    """
    app = call.app
    found = call.client.get(path("hostd", "apps", app, "logs"))
    if call.flag("json"):
        call.print_json(found)
        return
    call.print(call.style.heading(f"log of {call.style.app(app)}"), "")
    call.print(*pairs(_shown(found, call.around.clock()), call.style))


@command(
    "logs:set",
    options=(
        *FOR_APP,
        Option("size", None, f"megabytes it may take on disk, from {SMALLEST_MB}; or {DEFAULT}", "MB"),
        Option("retention", None, f"days after which lines are deleted, from {SHORTEST_DAYS}; or {DEFAULT}", "DAYS"),
        JSON,
    ),
    examples=(
        "hostctl logs:set --size 1024 -a hello",
        "hostctl logs:set --retention 30 -a hello",
        "hostctl logs:set --size default --retention default -a hello",
    ),
)
def set_limits(call: Call) -> None:
    """Change how much of an app's log is kept; it is in force at once.

    Lines go when the log is larger than its size, the oldest first, and with --retention when they are older than so
    many days. Without a retention they stay as long as there is room. A smaller size deletes what is beyond it now.
    """
    app = call.app
    wanted = {
        "size_mb": _wanted(call, "size", "megabytes", SMALLEST_MB, LARGEST_MB),
        "retention_days": _wanted(call, "retention", "days", SHORTEST_DAYS, LONGEST_DAYS),
    }
    body = {name: None if value == DEFAULT else value for name, value in wanted.items() if value is not None}
    if not body:
        raise Usage("Say what to change: --size, --retention or both.")
    with call.action(f"Setting the limits of the log of {call.error_style.app(app)}") as action:
        found = call.client.request("PATCH", path("hostd", "apps", app, "logs"), body).data
        action.done = _limits(found)
    if call.flag("json"):
        call.print_json(found)


def _wanted(call: Call, name: str, unit: str, least: int, most: int) -> int | str | None:
    text = call.text(name)
    if text is None or text == DEFAULT:
        return text
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise Usage(f"--{name} must be a number of {unit}, {least} to {most}, or {DEFAULT}, not {text!r}.")
    return int(text)


def _shown(found: dict[str, Any], now: float) -> dict[str, object]:
    rate = found["rate"]
    return {
        "Journal": f"journalctl --namespace={found['namespace']}",
        "On disk": f"{size(found['size_bytes'])} of {found['size_mb']} MB",
        "Lines": found["lines"],
        "Oldest": moment(found["oldest_at"], now) if found["oldest_at"] else "",
        "Newest": moment(found["newest_at"], now) if found["newest_at"] else "",
        "Kept": _limits(found),
        "Rate": f"{rate} lines a second from each dyno, on average" if rate else "as fast as a dyno writes",
    }


def _limits(found: dict[str, Any]) -> str:
    days = found["retention_days"]
    return f"{found['size_mb']} MB, {f'{days} days' if days else 'as long as there is room'}"
