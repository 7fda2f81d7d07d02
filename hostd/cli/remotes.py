"""git:remote."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import Option, Usage, command


@command(
    "git:remote",
    options=(
        Option("app", "a", "the app; else HOSTD_APP", "APP"),
        Option("remote", "r", "name of the remote (default: hostd)", "REMOTE"),
    ),
    examples=("hostctl git:remote -a hello", "hostctl git:remote -a hello-staging -r staging"),
)
def remote(call: Call) -> None:
    """Add a git remote for an app to this checkout.

    Over ssh, where there is no checkout, it prints the command to run in yours.
    """
    name = call.text("app") or call.around.env.get("HOSTD_APP")
    if not name:
        raise Usage("Which app? Say -a APP.")
    address = call.client.get(path("apps", name))["git_url"]
    remote = call.text("remote") or "hostd"
    if call.where is None:
        call.print(f"git remote add {remote} {address}")
        return
    from hostd.cli import checkout

    if not checkout.is_checkout():
        raise Usage("This is not a git checkout. Go to one, or make one: git init")
    checkout.set_remote(remote, address)
    call.say(f"set git remote {remote} to {address}")
