"""auth:whoami, auth:token: who you are, and a token for programs that ask for one."""

from __future__ import annotations

from typing import Any

from hostd.cli.authorizations import expires_in, written
from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import JSON, Option, command

DAY = 86400
"""Seconds that a token of `auth:token` is good for."""


@command(
    "auth:whoami",
    options=(JSON,),
    examples=("hostctl whoami", "ssh git@HOST whoami"),
)
def whoami(call: Call) -> None:
    """Say who you are to hostd."""
    account = call.client.get(path("account"))
    if call.flag("json"):
        call.print_json(account)
    else:
        call.print(account["email"])


@command(
    "auth:token",
    options=(Option("expires-in", "e", "how many seconds it is good for (default: 86400, a day)", "SECONDS"), JSON),
    examples=(
        "hostctl auth:token",
        'curl -H "Authorization: Bearer $(ssh git@HOST auth:token)" https://api.HOST/account',
    ),
)
def token(call: Call) -> None:
    """Print a token for the API: the one that you logged in with; on the server and over ssh a new one for a day.

    For one that lasts, or that is good for less: authorizations:create.
    """
    if (own := getattr(call.client.door, "token", None)) and not call.text("expires-in"):
        _print_own(call, own)
        return
    wanted = {"description": "auth:token", "expires_in": expires_in(call) or DAY}
    made = call.client.request("POST", path("oauth", "authorizations"), wanted).data
    if call.flag("json"):
        call.print_json(made)
        return
    _warn(call, made)
    call.print(made["access_token"]["token"])


def _print_own(call: Call, own: str) -> None:
    known = call.client.get(path("oauth", "authorizations"))
    mine = next((each for each in known if _is(own, each["access_token"]["token"])), None)
    if call.flag("json"):
        call.print_json({**(mine or {}), "access_token": {**(mine or {}).get("access_token", {}), "token": own}})
        return
    if mine is not None and mine["access_token"]["expires_in"] is not None:
        _warn(call, mine)
    call.print(own)


def _is(token: str, shown: str) -> bool:
    """Whether that is how a token is shown: its beginning, asterisks, its end."""
    head, asterisks, tail = shown.partition("**********")
    return bool(asterisks) and token.startswith(head) and token.endswith(tail)


def _warn(call: Call, authorization: dict[str, Any]) -> None:
    ends = call.around.clock() + authorization["access_token"]["expires_in"]
    call.warn(f"Warning: token will expire {written(ends)}\nUse authorizations:create to generate a long-term token")
