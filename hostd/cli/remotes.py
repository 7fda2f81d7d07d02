"""git:remote, git:clone, git:credentials: an app's repository over ssh or https, and the token for the latter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import Option, Refused, Usage, command

HTTPS = Option("https", None, "over https, with a token; the default where hostctl itself comes with one")
SSH = Option("ssh", None, "over ssh, with your key; the default on the server")
_APP = Option("app", "a", "the app; else HOSTD_APP", "APP")
_REMOTE = Option("remote", "r", "name of the remote (default: hostd)", "REMOTE")
_LONGEST = 64 * 1024


def address(call: Call, app: dict[str, Any]) -> str:
    """The address of an app's repository, over what was asked for, else over what hostctl itself speaks to hostd."""
    if call.flag("https") and call.flag("ssh"):
        raise Usage("--https or --ssh?")
    if call.flag("https"):
        return str(app["git_url"])
    own = not call.flag("ssh") and not call.client.door.is_local
    return str(app["git_url"] if own else app.get("ssh_url") or app["git_url"])


@command(
    "git:remote",
    options=(_APP, _REMOTE, HTTPS, SSH),
    examples=(
        "hostctl git:remote -a hello",
        "hostctl git:remote -a hello-staging -r staging",
        "hostctl git:remote -a hello --https",
    ),
)
def remote(call: Call) -> None:
    """Add a git remote for an app to this checkout.

    Over ssh, where there is no checkout, it prints the command to run in yours.
    """
    where = address(call, call.client.get(path("apps", _named(call))))
    remote = call.text("remote") or "hostd"
    if call.where is None:
        call.print(f"git remote add {remote} {where}")
        return
    from hostd.cli import checkout

    if not checkout.is_checkout():
        raise Usage("This is not a git checkout. Go to one, or make one: git init")
    checkout.set_remote(remote, where)
    call.say(f"set git remote {remote} to {where}")


@command(
    "git:clone",
    "[DIRECTORY]",
    options=(_APP, _REMOTE, HTTPS, SSH),
    examples=("hostctl git:clone -a hello", "hostctl git:clone -a hello work/hello"),
)
def clone(call: Call) -> None:
    """Clone the code of an app into a new directory, with a remote to push to.

    Without a DIRECTORY: one with the app's name. Over ssh, where there are no files, it prints the command to run.
    """
    app = call.client.get(path("apps", _named(call)))
    where, remote = address(call, app), call.text("remote") or "hostd"
    directory = call.word or str(app["name"])
    if call.where is None:
        call.print(f"git clone -o {remote} {where}")
        return
    from hostd.cli import checkout

    if not checkout.clone(where, remote, directory):
        raise Refused(f"git could not clone {where}.")


@command(
    "git:credentials",
    "ACTION",
    examples=(
        "git config --global credential.https://git.example.com.helper '!hostctl git:credentials'",
        "echo url=https://git.example.com | hostctl git:credentials get",
    ),
    local=True,
)
def credentials(call: Call) -> None:
    """Tell git the token of your login: a credential helper, for git's own use.

    It answers `get` for the git host of the server that hostctl is logged in to, and for no other; `store` and
    `erase` do nothing: login and logout keep and drop tokens. Without it git finds the token in ~/.netrc by itself;
    it is for HOSTD_TOKEN, and for where git shall not read that file.
    """
    asked = wanted(call.around.stdin.read(_LONGEST).splitlines())
    if call.word != "get":
        return
    from hostd.cli.servers import TOKEN, Servers, machines

    servers = Servers(call.around.env)
    server = servers.named or servers.last
    if server is None or asked.get("protocol") != "https":
        return
    name = asked.get("host", "").partition(":")[0]
    token = call.around.env.get(TOKEN) or servers.token(server)
    if token and name in machines(server)[1:]:
        call.print("protocol=https", f"host={asked['host']}", "username=hostd", f"password={token}")


def wanted(lines: Iterable[str]) -> dict[str, str]:
    """What git asks a credential helper for (git-credential(1), INPUT/OUTPUT FORMAT)."""
    known: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition("=")
        if not name:
            break
        known[name] = value
        if name == "url":
            parts = urlsplit(value)
            known |= {"protocol": parts.scheme, "host": parts.netloc.rpartition("@")[2]}
    return known


def _named(call: Call) -> str:
    name = call.text("app") or call.around.env.get("HOSTD_APP")
    if not name:
        raise Usage("Which app? Say -a APP.")
    return name
