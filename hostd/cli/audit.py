"""audit: who changed what, from where."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import APP, JSON, Option, command
from hostd.cli.output import columns, printable

LINES = 100
MOST_LINES = 10_000


@command(
    "audit",
    options=(
        APP,
        Option("user", "u", "only what this user did, also one who was removed", "EMAIL"),
        Option("since", None, "only what was done since then: 10m, 2h, 1d, yesterday, 2026-01-27T10:48 (UTC)", "TIME"),
        Option("num", "n", f"how many entries (default: {LINES}, at most {MOST_LINES})", "NUMBER"),
        JSON,
    ),
    examples=(
        "hostctl audit",
        "hostctl audit -a hello --since 1d",
        "hostctl audit --user kate@example.com -n 20",
        "hostctl audit -a hello --json | jq '.[] | select(.status >= 400)'",
    ),
)
def audit(call: Call) -> None:
    """Show who changed what, or tried to, and from where; the newest comes last.

    With --app: what was done to an app, for who may manage it. Without: what you did yourself, or for admins what
    everybody did. Each line has the time, the user, the door and the address they came from, the answer's status (below
    300: it was done), and what was asked for. Reading is not recorded.
    """
    app = call.text("app")
    asked = {
        "user": call.text("user"),
        "since": call.text("since"),
        "max": str(call.number("num", LINES, 1, MOST_LINES)),
    }
    segments = ("hostd", "apps", app, "audit") if app else ("hostd", "audit")
    found = call.client.get(path(*segments, **asked))[::-1]
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say("Nothing is recorded that fits.")
    else:
        call.print(*columns([_row(entry) for entry in found], width=call.width, shorten=(1, 4)))


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    # At the socket it is root on the server, or somebody who came by ssh.
    door = {"socket": "ssh", "loopback": "api", "router": "https"}[entry["door"]]
    door = entry["address"] if entry["address"] in ("local", "ssh") else f"{door} {entry['address']}"
    status, what = str(entry["status"]), f"{entry['method']} {entry['target']}"
    if entry["app"] and not entry["target"].startswith(("/apps/", "/hostd/apps/")):
        what += f" ({entry['app']['name']})"
    return entry["created_at"], entry["user"]["email"], door, status, printable(what)
