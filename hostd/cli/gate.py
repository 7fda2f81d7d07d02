"""access:gate and its verbs: who may visit an app."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, command
from hostd.cli.output import age, columns, seconds

LONGEST = 1024
"""Characters of a line that may hold a password."""

_USER = Option("user", "u", "the name of somebody with a password", "NAME")
_NETWORK = Option("network", None, "a network or an address: 192.0.2.0/24, 2001:db8::/32", "CIDR", many=True)


@command(
    "access:gate",
    options=(*FOR_APP, JSON),
    examples=("hostctl access:gate -a hello", "hostctl access:gate --json -a hello"),
)
def gate(call: Call) -> None:
    """Say who may visit an app.

    An app is open to everybody until it gets a gate. Where the gate has users, visitors need the name and the
    password of one (HTTP basic authentication); where it has networks, they have to come from one; where it has
    both, both. The router asks, so that nobody else gets as far as the app.
    """
    app = call.app
    found = call.client.get(path("hostd", "apps", app, "gate"))
    if call.flag("json"):
        call.print_json(found)
        return
    if not found["closed"]:
        call.print("open to everybody")
        return
    now = call.around.clock()
    rows = [(user["name"], f"password set {age(now - seconds(user['created_at']))} ago") for user in found["users"]]
    rows += [(network, "network") for network in found["networks"]]
    call.print(call.style.heading(f"{call.style.app(app)} Access Gate"), "", *columns(rows))


@command(
    "access:gate:enable",
    options=(_USER, _NETWORK, *FOR_APP),
    answers=True,
    examples=(
        "hostctl access:gate:enable --user kate -a hello",
        "pass show hello | ssh git@HOST access:gate:enable --user kate -a hello",
        "hostctl access:gate:enable --network 192.0.2.0/24 --network 2001:db8::/32 -a hello",
    ),
)
def enable(call: Call) -> None:
    """Let a user, or networks, through the gate of an app, and others no more.

    The password is asked for, or is the first line of standard input. It is kept as a slow salted hash alone. Again
    for the same user: another password. The app gets no Authorization header then: one that needs it for itself can
    have networks, but no users.
    """
    app, name, networks = call.app, call.text("user"), call.texts("network")
    if name is None and not networks:
        raise Usage("Whom? Say --user NAME or --network CIDR.")
    body: dict[str, Any] = {"networks": networks}
    if name is not None:
        body["user"] = {"name": name, "password": _password(call, name)}
    with call.action(f"Enabling the access gate of {call.error_style.app(app)}") as action:
        found = call.client.request("POST", path("hostd", "apps", app, "gate"), body).data
        action.done = summary(found)


@command(
    "access:gate:remove",
    options=(_USER, _NETWORK, *FOR_APP),
    answers=True,
    examples=(
        "hostctl access:gate:remove --user kate -a hello",
        "hostctl access:gate:remove --network 192.0.2.0/24 -a hello",
    ),
)
def remove(call: Call) -> None:
    """Let a user, or networks, no more through the gate of an app.

    The last one cannot be removed, as that would open the app to everybody: see access:gate:disable.
    """
    app, name, networks = call.app, call.text("user"), call.texts("network")
    if name is None and not networks:
        raise Usage("Whom? Say --user NAME or --network CIDR. Everybody: access:gate:disable.")
    body = {"users": [] if name is None else [name], "networks": networks}
    with call.action(f"Changing the access gate of {call.error_style.app(app)}") as action:
        found = call.client.request("DELETE", path("hostd", "apps", app, "gate"), body).data
        action.done = summary(found)


@command("access:gate:disable", options=FOR_APP, answers=True, examples=("hostctl access:gate:disable -a hello",))
def disable(call: Call) -> None:
    """Open an app to everybody, and forget its users and networks."""
    app = call.app
    with call.action(f"Disabling the access gate of {call.error_style.app(app)}"):
        call.client.request("DELETE", path("hostd", "apps", app, "gate"))


def summary(found: dict[str, Any]) -> str:
    """`2 users, 1 network`."""
    counts = (len(found["users"]), "user"), (len(found["networks"]), "network")
    return ", ".join(f"{count} {what}{'s' * (count > 1)}" for count, what in counts if count)


def _password(call: Call, name: str) -> str:
    """A password from the terminal, asked for twice, or the first line of standard input. Raises Refused."""
    if call.around.stdin.isatty():
        from getpass import getpass

        first = getpass(f"Password of {name}: ", call.around.stderr)
        if getpass("Again: ", call.around.stderr) != first:
            raise Refused("These were two different passwords. Nothing was changed.")
        return first
    line = call.around.stdin.readline(LONGEST).rstrip("\r\n")
    if not line:
        raise Usage("There is no password on standard input: pass show hello | hostctl access:gate:enable --user NAME")
    return line
