"""access, access:add, access:update, access:remove."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import columns, rights_of

_RIGHTS = "view, deploy, operate and manage"
_PERMISSIONS = Option("permissions", "p", f"of {_RIGHTS}, with commas between", "RIGHT,...", aliases=("privileges",))


@command(
    "access",
    options=(*FOR_APP, JSON),
    examples=("hostctl access -a hello", "hostctl access --json -a hello"),
)
def access(call: Call) -> None:
    """List who may work on an app, and what they may do."""
    app = call.app
    found = call.client.get(path("apps", app, "collaborators"))
    if call.flag("json"):
        call.print_json(found)
    else:
        call.print(call.style.heading(f"{call.style.app(app)} Access"), "")
        call.print(*columns([(entry["user"]["email"], entry["role"] or "", rights_of(entry)) for entry in found]))


@command(
    "access:add",
    "EMAIL",
    options=(_PERMISSIONS, *FOR_APP),
    answers=True,
    examples=("hostctl access:add kate@example.com -a hello", "hostctl access:add joe@example.com -p deploy -a hello"),
)
def add(call: Call) -> None:
    """Let a user work on an app.

    Without --permissions they may view, deploy and operate it. Any right brings view, and manage brings all:
    view    see the app, its dynos, releases, logs and code
    deploy  push, build, roll back
    operate config vars, scale, restart, run, domains, drains, maintenance mode
    manage  add and remove collaborators, rename, transfer and destroy
    """
    app, email = call.app, call.words[0]
    body: dict[str, Any] = {"user": email}
    if (wanted := call.text("permissions")) is not None:
        body["permissions"] = _names(wanted)
    how = f" with {', '.join(body['permissions'])} permissions" if wanted is not None else ""
    with call.action(f"Adding {email} access to the app {call.error_style.app(app)}{how}"):
        call.client.request("POST", path("apps", app, "collaborators"), body)


@command(
    "access:update",
    "EMAIL",
    options=(_PERMISSIONS, *FOR_APP),
    answers=True,
    examples=("hostctl access:update joe@example.com -p deploy,operate -a hello",),
)
def update(call: Call) -> None:
    """Let a collaborator have other rights: those given with --permissions, and no others.

    What they have running that they may do no more ends at once.
    """
    wanted = call.text("permissions")
    if wanted is None:
        raise Usage(f"Say with -p what they may do: {_RIGHTS}, with commas between.")
    app, email, names = call.app, call.words[0], _names(wanted)
    shown, rights = call.error_style.app(app), ", ".join(names)
    with call.action(f"Updating {email} in application {shown} with {rights} permissions"):
        call.client.request("PATCH", path("apps", app, "collaborators", email), {"permissions": names})


@command(
    "access:remove",
    "EMAIL",
    options=FOR_APP,
    answers=True,
    examples=("hostctl access:remove kate@example.com -a hello",),
)
def remove(call: Call) -> None:
    """Take all of a user's rights on an app away.

    What they have running on it ends at once: log tails, terminals in dynos, pushes. You may remove yourself.
    """
    app, email = call.app, call.words[0]
    with call.action(f"Removing {email} access from the app {call.error_style.app(app)}"):
        call.client.request("DELETE", path("apps", app, "collaborators", email))


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip().lower())]
