"""users, users:add, users:info, users:update, users:remove: for admins."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import JSON, Option, Usage, command
from hostd.cli.output import columns, pairs, rights_of

_KEY = Option("key", "k", "their public ssh key: a file, or - for standard input", "KEY")


@command(
    "users",
    options=(JSON,),
    examples=("hostctl users", "hostctl users --json"),
)
def users(call: Call) -> None:
    """List the users of this server (for admins)."""
    found = call.client.get(path("hostd", "users"))
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
    options=(Option("admin", None, "let them add users and work on every app"), _KEY),
    answers=True,
    examples=("hostctl users:add kate@example.com --key kate.pub", "hostctl users:add you@example.com --admin --key -"),
)
def add(call: Call) -> None:
    """Add a user (for admins).

    Nobody signs up by themselves. Without a key they cannot do anything yet.
    """
    body: dict[str, Any] = {"email": call.words[0], "admin": call.flag("admin")}
    if (text := _key(call)) is not None:
        body["public_key"] = text
    with call.action(f"Adding user {call.words[0]}"):
        call.client.request("POST", path("hostd", "users"), body)


@command(
    "users:info",
    "[EMAIL]",
    options=(JSON,),
    examples=("hostctl users:info", "hostctl users:info kate@example.com --json"),
)
def info(call: Call) -> None:
    """Show a user with their keys and apps: yourself, or for admins anybody."""
    email = call.word or call.client.get(path("account"))["email"]
    user = call.client.get(path("hostd", "users", email))
    if call.flag("json"):
        call.print_json(user)
        return
    call.print(call.style.heading(user["email"]))
    facts = {"Admin": "yes" if user["admin"] else "no", "Since": user["created_at"]}
    call.print(*pairs(facts, call.style))
    call.print("", call.style.heading("Apps"))
    names = [(entry["app"]["name"], entry["role"], rights_of(entry)) for entry in user["apps"]]
    call.print(*(columns(names) if names else ["None."]))
    call.print("", call.style.heading("Keys"))
    keys = [(key["fingerprint"], key["public_key"].split()[0], key["comment"] or "") for key in user["keys"]]
    call.print(*(columns(keys) if keys else ["None: they cannot do anything. Add one: users:update EMAIL --key KEY"]))


@command(
    "users:update",
    "EMAIL",
    options=(
        Option("admin", None, "let them add users and work on every app"),
        Option("no-admin", None, "let them be an admin no more"),
        _KEY,
        JSON,
    ),
    examples=(
        "hostctl users:update kate@example.com --admin",
        "hostctl users:update kate@example.com --no-admin",
        "hostctl users:update kate@example.com --key new-laptop.pub",
    ),
)
def update(call: Call) -> None:
    """Make a user an admin, or one no more; or add an ssh key for one who cannot come in any more (for admins).

    What somebody has running that they may no more do as no admin ends at once.
    """
    email, text = call.words[0], _key(call)
    if call.flag("admin") and call.flag("no-admin"):
        raise Usage("--admin and --no-admin are the opposite of each other.")
    changes = call.flag("admin") or call.flag("no-admin")
    if not changes and text is None:
        raise Usage("Say what is to be changed: --admin, --no-admin or --key KEY.")
    with call.action(f"Updating user {email}"):
        if changes:
            call.client.request("PATCH", path("hostd", "users", email), {"admin": call.flag("admin")})
        if text is not None:
            call.client.request("POST", path("hostd", "users", email, "keys"), {"public_key": text})
    if call.flag("json"):
        call.print_json(call.client.get(path("hostd", "users", email)))


@command(
    "users:remove",
    "EMAIL",
    answers=True,
    examples=("hostctl users:remove kate@example.com",),
)
def remove(call: Call) -> None:
    """Remove a user with their keys, tokens and rights (for admins).

    What they have running ends at once: ssh connections, log tails, terminals in dynos, pushes. One who owns apps
    stays until those are destroyed or given to somebody else: apps:transfer.
    """
    with call.action(f"Removing user {call.words[0]}"):
        call.client.request("DELETE", path("hostd", "users", call.words[0]))


def _key(call: Call) -> str | None:
    """The text of the key that was given; None if none was."""
    given = call.text("key")
    if given is None:
        return None
    from hostd.cli.keys import public_key

    return public_key(call, given)[1]
