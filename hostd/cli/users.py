"""users, users:add, users:remove: for admins."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import Client, path
from hostd.cli.command import JSON, Option, command
from hostd.cli.output import columns
from hostd.errors import HostdError


@command(
    "users",
    options=(JSON,),
    examples=("hostctl users",),
)
def users(call: Call) -> None:
    """List the users of this server (for admins)."""
    found = call.client.get(path("users"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say("There are no users yet. Add the first: hostctl users:add you@example.com --admin")
    else:
        call.print(call.style.heading("Users"), "")
        call.print(*columns([(user["email"], "admin" if user["admin"] else "user") for user in found]))


@command(
    "users:add",
    "EMAIL",
    options=(
        Option("admin", None, "let them add users and work on every app"),
        Option("key", "k", "their public ssh key: a file, or - for standard input", "KEY"),
    ),
    examples=("hostctl users:add kate@example.com --key kate.pub", "hostctl users:add you@example.com --admin --key -"),
)
def add(call: Call) -> None:
    """Add a user (for admins).

    Nobody signs up by themselves. Without a key they cannot do anything yet.
    """
    email, key = call.words[0], call.text("key")
    text = None
    if key is not None:
        from hostd.cli.keys import public_key

        _, text = public_key(call, key)
    with call.action(f"Adding user {email}"):
        user = call.client.request("POST", path("users"), {"email": email, "admin": call.flag("admin")}).data
        if text is not None:
            _add_key(call, user["email"], text)


@command(
    "users:remove",
    "EMAIL",
    examples=("hostctl users:remove kate@example.com",),
)
def remove(call: Call) -> None:
    """Remove a user with their keys (for admins).

    One who owns apps stays until those are destroyed.
    """
    with call.action(f"Removing user {call.words[0]}"):
        call.client.request("DELETE", path("users", call.words[0]))


def _add_key(call: Call, email: str, text: str) -> None:
    """The key goes in as from the user themselves; if it is refused, the user is not left behind without one."""
    try:
        Client(call.client.directory, email).request("POST", path("account", "keys"), {"public_key": text})
    except HostdError:
        call.client.request("DELETE", path("users", email))
        raise
