"""apps:transfer, apps:transfers and what is done with what one was offered."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, command
from hostd.cli.output import columns

_TRANSFERS = ("account", "app-transfers")


@command(
    "apps:transfer",
    "EMAIL",
    options=FOR_APP,
    answers=True,
    examples=("hostctl apps:transfer kate@example.com -a hello",),
)
def transfer(call: Call) -> None:
    """Give an app to another user, who becomes its owner when they accept.

    An admin, and who takes an app that they may manage, need nobody's word: it changes hands at once. The owner until
    now stays a collaborator.
    """
    app, email = call.app, call.words[0]
    with call.action(f"Transferring {call.error_style.app(app)} to {email}") as action:
        made = call.client.request("POST", path(*_TRANSFERS), {"app": app, "recipient": email}).data
        if made["state"] == "pending":
            action.ended = "pending"
    if made["state"] == "pending":
        name = made["app"]["name"]
        call.say(f"{email} accepts it with: {call.cmd(f'hostctl apps:transfers:accept -a {name}')}")
        call.say(f"To take it back: {call.cmd(f'hostctl apps:transfers:cancel -a {name}')}")


@command(
    "apps:transfers",
    options=(JSON,),
    examples=("hostctl apps:transfers", "hostctl apps:transfers --json"),
)
def transfers(call: Call) -> None:
    """List the apps that you were offered, and those of yours that you gave or offered to others."""
    found = call.client.get(path(*_TRANSFERS))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.say("There are no transfers of yours.")
    else:
        call.print(call.style.heading("Transfers"), "")
        call.print(*columns([_row(each) for each in found], width=call.width, shorten=(1, 2)))


@command(
    "apps:transfers:accept",
    options=FOR_APP,
    answers=True,
    examples=("hostctl apps:transfers:accept -a hello",),
)
def accept(call: Call) -> None:
    """Take over an app that you were offered: you become its owner."""
    with call.action(f"Taking {call.error_style.app(call.app)} over"):
        call.client.request("PATCH", path(*_TRANSFERS, call.app), {"state": "accepted"})


@command(
    "apps:transfers:decline",
    options=FOR_APP,
    answers=True,
    examples=("hostctl apps:transfers:decline -a hello",),
)
def decline(call: Call) -> None:
    """Decline to take over an app that you were offered."""
    with call.action(f"Declining {call.error_style.app(call.app)}"):
        call.client.request("PATCH", path(*_TRANSFERS, call.app), {"state": "declined"})


@command(
    "apps:transfers:cancel",
    options=FOR_APP,
    answers=True,
    examples=("hostctl apps:transfers:cancel -a hello",),
)
def cancel(call: Call) -> None:
    """Take back the offer of an app that nobody has accepted yet."""
    with call.action(f"Taking back the offer of {call.error_style.app(call.app)}"):
        call.client.request("DELETE", path(*_TRANSFERS, call.app))


def _row(made: dict[str, Any]) -> tuple[str, ...]:
    people = f"from {made['owner']['email']}", f"to {made['recipient']['email']}"
    return made["app"]["name"], *people, made["state"], made["created_at"]
