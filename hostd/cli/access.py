"""access, access:add, access:remove."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, command
from hostd.cli.output import columns


@command(
    "access",
    options=(*FOR_APP, JSON),
    examples=("hostctl access -a hello",),
)
def access(call: Call) -> None:
    """List who may work on an app."""
    app = call.app
    found = call.client.get(path("apps", app, "collaborators"))
    if call.flag("json"):
        call.print_json(found)
    else:
        call.print(call.style.heading(f"{call.style.app(app)} Access"), "")
        call.print(*columns([(entry["user"]["email"], entry["role"]) for entry in found]))


@command(
    "access:add",
    "EMAIL",
    options=FOR_APP,
    examples=("hostctl access:add kate@example.com -a hello",),
)
def add(call: Call) -> None:
    """Let a user work on an app.

    They may push, scale, set config vars and read logs; only the owner may destroy it.
    """
    app, email = call.app, call.words[0]
    with call.action(f"Adding {email} access to the app {call.error_style.app(app)}"):
        call.client.request("POST", path("apps", app, "collaborators"), {"user": email})


@command(
    "access:remove",
    "EMAIL",
    options=FOR_APP,
    examples=("hostctl access:remove kate@example.com -a hello",),
)
def remove(call: Call) -> None:
    """Take a user's right to an app away."""
    app, email = call.app, call.words[0]
    with call.action(f"Removing {email} access from the app {call.error_style.app(app)}"):
        call.client.request("DELETE", path("apps", app, "collaborators", email))
