"""auth:whoami, auth:token: who you are, and a token for programs that ask for one."""

from __future__ import annotations

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
    """Print a token for the API, made now and good for a day.

    For one that lasts, or that is good for less: authorizations:create.
    """
    wanted = {"description": "auth:token", "expires_in": expires_in(call) or DAY}
    made = call.client.request("POST", path("oauth", "authorizations"), wanted).data
    if call.flag("json"):
        call.print_json(made)
        return
    ends = call.around.clock() + made["access_token"]["expires_in"]
    call.warn(f"Warning: token will expire {written(ends)}\nUse authorizations:create to generate a long-term token")
    call.print(made["access_token"]["token"])
