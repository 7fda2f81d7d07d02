"""authorizations and its kin, sessions: the tokens with which programs speak for you."""

from __future__ import annotations

import time
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import JSON, Option, Usage, command
from hostd.cli.output import columns, moment, pairs, printable

DESCRIPTION = Option("description", "d", "what the token is for", "TEXT")
SHORT = Option("short", "S", "print the token and nothing else")
_ID = "f6e8d969-129f-42d2-854b-c2eca9d5a42e"


@command(
    "authorizations",
    options=(JSON,),
    examples=("hostctl authorizations",),
)
def authorizations(call: Call) -> None:
    """List your tokens: what each is for, its ID, and what it is good for."""
    found = sorted(call.client.get(path("oauth", "authorizations")), key=lambda each: each["description"].lower())
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.print("No OAuth authorizations.")
    else:
        rows = [(printable(each["description"]), each["id"], _scope(each)) for each in found]
        call.print(*columns(rows, width=call.width, shorten=(0,)))


@command(
    "authorizations:create",
    options=(
        DESCRIPTION,
        Option("scope", "s", "what it is good for, with commas: global, identity, read, write, ...", "SCOPE"),
        Option("expires-in", "e", "how many seconds it is good for; without, for ever", "SECONDS"),
        SHORT,
        JSON,
    ),
    examples=(
        "hostctl authorizations:create --description laptop",
        "hostctl authorizations:create -d monitoring --scope read --expires-in 31536000",
        'curl -H "Authorization: Bearer $(hostctl authorizations:create -S -e 600)" http://localhost:7070/apps',
    ),
)
def create(call: Call) -> None:
    """Make a token, which is shown this once.

    Scopes: global is good for everything that you may do; identity for who you are; read and write for apps;
    read-protected and write-protected also for config vars, and write-protected for running commands.
    """
    wanted: dict[str, Any] = {"description": call.text("description"), "expires_in": expires_in(call)}
    if scope := call.text("scope"):
        wanted["scope"] = [word.strip() for word in scope.split(",") if word.strip()]
    with call.action("Creating OAuth Authorization"):
        made = call.client.request("POST", path("oauth", "authorizations"), wanted).data
    if call.flag("short"):
        call.print(made["access_token"]["token"])
    else:
        _show(call, made)


@command(
    "authorizations:info",
    "ID",
    options=(JSON,),
    examples=(f"hostctl authorizations:info {_ID}",),
)
def info(call: Call) -> None:
    """Show a token: its end, what it is good for, until when, and when and from where it was last used."""
    _show(call, call.client.get(path("oauth", "authorizations", call.words[0])))


@command(
    "authorizations:update",
    "ID",
    options=(DESCRIPTION, JSON),
    examples=(f'hostctl authorizations:update {_ID} --description "old laptop"',),
)
def update(call: Call) -> None:
    """Describe a token anew."""
    description = call.text("description")
    if not description:
        raise Usage("Say what the token is for: --description TEXT")
    with call.action("Updating OAuth Authorization") as action:
        changed = call.client.request(
            "PATCH", path("oauth", "authorizations", call.words[0]), {"description": description}
        ).data
        action.done = f"updated {printable(changed['description'])}"
    if call.flag("json"):
        call.print_json(changed)


@command(
    "authorizations:rotate",
    "ID",
    options=(JSON,),
    examples=(f"hostctl authorizations:rotate {_ID}",),
)
def rotate(call: Call) -> None:
    """Make another token in the place of one, which is worth nothing any more; it is good for the same, as long."""
    with call.action("Rotating OAuth Authorization") as action:
        target = path("oauth", "authorizations", call.words[0], "actions", "regenerate-tokens")
        made = call.client.request("POST", target).data
        action.done = f"updated {printable(made['description'])}"
    _show(call, made)


@command(
    "authorizations:revoke",
    "ID",
    options=(JSON,),
    examples=(f"hostctl authorizations:revoke {_ID}",),
)
def revoke(call: Call) -> None:
    """End a token: from now on it is worth nothing, and log tails and commands in dynos that were begun with it end."""
    with call.action("Revoking OAuth Authorization") as action:
        ended = call.client.request("DELETE", path("oauth", "authorizations", call.words[0])).data
        action.done = f"revoked authorization from {printable(ended['description'])}"
    if call.flag("json"):
        call.print_json(ended)


@command(
    "sessions",
    options=(JSON,),
    examples=("hostctl sessions",),
)
def sessions(call: Call) -> None:
    """List your logins through a browser; there are none on this platform."""
    found = call.client.get(path("oauth", "sessions"))
    if call.flag("json"):
        call.print_json(found)
    elif not found:
        call.print("No OAuth sessions.")
    else:
        call.print(*columns([(printable(each["description"]), each["id"]) for each in found]))


def expires_in(call: Call) -> int | None:
    """The option of that name, in seconds. Raises Usage."""
    text = call.text("expires-in")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= 10**9):
        raise Usage(f"--expires-in must be a number of seconds, such as 2592000 for 30 days, not {text[:40]!r}.")
    return int(text)


def written(seconds: float) -> str:
    """A moment, in seconds since the epoch, as people read it."""
    return time.strftime("%Y/%m/%d %H:%M:%S %z", time.localtime(seconds))


def _show(call: Call, authorization: dict[str, Any]) -> None:
    if call.flag("json"):
        call.print_json(authorization)
        return
    now, token = call.around.clock(), authorization["access_token"]
    known = {
        "Client": authorization["client"]["name"] if authorization["client"] else "<none>",
        "ID": authorization["id"],
        "Description": printable(authorization["description"]),
        "Scope": _scope(authorization),
        "Token": token["token"],
    }
    if token["expires_in"] is not None:
        known["Expires at"] = written(now + token["expires_in"])
    known["Updated at"] = moment(authorization["updated_at"], now)
    if authorization["last_used_at"]:
        known["Last used"] = f"{moment(authorization['last_used_at'], now)} from {authorization['last_used_from']}"
    call.print(*pairs(known))


def _scope(authorization: dict[str, Any]) -> str:
    return ",".join(authorization["scope"])
