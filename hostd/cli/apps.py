"""apps, apps:create, apps:info, apps:open, apps:rename, apps:destroy."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import APP, FOR_APP, JSON, REMOTE, SHELL, Option, Usage, command
from hostd.cli.gate import summary
from hostd.cli.output import ENDED, columns, pairs, printable, shell, size, without_credentials
from hostd.cli.remotes import HTTPS, SSH, address


@command(
    "apps",
    options=(Option("all", "A", "every app of this server that you may see, not only yours"), JSON),
    examples=("hostctl apps", "hostctl apps --all --json"),
)
def apps(call: Call) -> None:
    """List your apps.

    Your own apps, then those on which you collaborate, with their owners.
    """
    found = call.client.get(path("apps") if call.flag("all") else path("users", "~", "apps"))
    if call.flag("json"):
        call.print_json(found)
        return
    if not found:
        call.say("There are no apps. Create one: hostctl apps:create")
        return
    email = call.client.get(path("account"))["email"]
    own = [app for app in found if app["owner"]["email"] == email]
    others = [app for app in found if app["owner"]["email"] != email]
    if own:
        call.print(call.style.heading(f"{email} Apps"), "", *(app["name"] for app in own), "")
    if others:
        call.print(call.style.heading("Other Apps" if call.flag("all") else "Collaborated Apps"), "")
        call.print(*columns([(app["name"], app["owner"]["email"]) for app in others]), "")


@command(
    "apps:create",
    "[NAME]",
    options=(
        Option("remote", "r", "name of the git remote to make (default: hostd)", "REMOTE"),
        Option("no-remote", "n", "make no git remote"),
        HTTPS,
        SSH,
        Option("buildpack", "b", "a buildpack for it; give several in their order", "BUILDPACK", many=True),
        Option("stack", "s", "the stack to build it for (default: host)", "STACK"),
        Option("region", None, "the region: there is one (regions)", "REGION"),
        JSON,
    ),
    examples=(
        "hostctl apps:create",
        "hostctl apps:create hello",
        "hostctl apps:create hello-staging --remote staging",
        "hostctl apps:create hello --buildpack heroku/python",
        "hostctl apps:create hello --stack debian-12",
    ),
)
def create(call: Call) -> None:
    """Create an app.

    Without a NAME the app gets a generated one. In a git checkout a remote is made, to push to.
    """
    body: dict[str, Any] = {"name": call.word} if call.words else {}
    if packs := call.texts("buildpack"):
        body["buildpacks"] = packs
    if stack := call.text("stack"):
        body["stack"] = stack
    if region := call.text("region"):
        body["region"] = region
    with call.action(f"Creating {call.error_style.app(call.word) if call.word else 'app'}") as action:
        app = call.client.request("POST", path("apps"), body).data
        action.done = "" if call.word else call.error_style.app(app["name"])
    where = address(call, app)
    if call.flag("json"):
        call.print_json(app)
    else:
        call.print(f"{app['web_url']} | {where}")
    if call.where is not None and not call.flag("no-remote"):
        from hostd.cli import checkout

        remote = call.text("remote") or checkout.DEFAULT_REMOTE
        if checkout.is_checkout():
            checkout.set_remote(remote, where)
            call.say(f"Git remote {remote} added")


@command(
    "apps:info",
    "[APP]",
    options=(*FOR_APP, SHELL, JSON),
    examples=("hostctl apps:info -a hello", "hostctl apps:info hello --shell", "hostctl apps:info -a hello --json"),
)
def info(call: Call) -> None:
    """Show an app: its addresses, owner, sizes and dynos."""
    name = _named(call)
    app = call.client.get(path("apps", name))
    dynos = call.client.get(path("apps", name, "dynos"))
    collaborators = call.client.get(path("apps", name, "collaborators"))
    packs = call.client.get(path("apps", name, "buildpack-installations"))
    gate = call.client.get(path("hostd", "apps", name, "gate"))
    if call.flag("json"):
        everything = {"app": app, "dynos": dynos, "collaborators": collaborators, "buildpacks": packs, "gate": gate}
        call.print_json(everything)
        return
    shown = _described(app, dynos, collaborators, packs, gate)
    if call.flag("shell"):
        call.print(*shell({key.lower().replace(" ", "_"): value for key, value in shown.items()}))
        return
    call.print(call.style.heading(app["name"]), "", *pairs(shown, call.style))


@command(
    "apps:open",
    "[PATH]",
    options=FOR_APP,
    examples=("hostctl open -a hello", "hostctl open -a hello /admin"),
)
def open_(call: Call) -> None:
    """Open an app in your browser.

    On the server itself and over ssh, where your browser is not, it prints the address.
    """
    address = str(call.client.get(path("apps", call.app))["web_url"])
    if call.word:
        address = f"{address.rstrip('/')}/{call.word.lstrip('/')}"
    if not call.client.door.is_local:
        import webbrowser

        with call.action(f"Opening {address}") as action:
            if not webbrowser.open(address):
                action.ended = "there is no browser"
        if action.ended == "done":
            return
    call.print(printable(address))


@command(
    "apps:rename",
    "NAME",
    options=FOR_APP,
    answers=True,
    examples=("hostctl apps:rename hello-world -a hello",),
)
def rename(call: Call) -> None:
    """Give an app another name.

    Its web and git addresses change at once, and the old ones are gone.
    """
    old, new = call.app, call.words[0]
    with call.action(f"Renaming {call.error_style.app(old)} to {new}"):
        app = call.client.request("PATCH", path("apps", old), {"name": new}).data
    call.print(f"{app['web_url']} | {address(call, app)}")
    if call.where is not None:
        from hostd.cli import checkout

        for remote in [remote for remote, name in checkout.remotes().items() if name == old]:
            over_https = checkout.address_of(remote).startswith("https:")
            checkout.set_remote(remote, app["git_url"] if over_https else app.get("ssh_url") or app["git_url"])
            call.say(f"Git remote {remote} updated")


@command(
    "apps:destroy",
    "[APP]",
    options=(APP, REMOTE, Option("confirm", "c", "the app's name, instead of typing it when asked", "APP")),
    answers=True,
    examples=("hostctl apps:destroy -a hello", "hostctl apps:destroy hello --confirm hello"),
)
def destroy(call: Call) -> None:
    """Destroy an app, for good.

    Its dynos are stopped and its name is free again. The ledger keeps its releases.
    """
    name = call.client.get(path("apps", _named(call)))["name"]
    call.confirm(name, f"This destroys {name} with its code, its config vars, its domains and its dynos.")
    with call.action(f"Destroying {call.error_style.app(name)}"):
        call.client.request("DELETE", path("apps", name))


def _named(call: Call) -> str:
    if call.word and call.text("app") not in (None, call.word):
        raise Usage(f"Which app: {call.word} or {call.text('app')}?")
    return call.word or call.app


def _stack(app: dict[str, Any]) -> str:
    """What the app runs on, and what its next build is for if that differs."""
    stack = str((app.get("stack") or {}).get("name") or "")
    build = (app.get("build_stack") or {}).get("name") or stack
    return stack if build == stack else f"{stack} (next build will use {build})"


def _described(
    app: dict[str, Any],
    dynos: list[dict[str, Any]],
    people: list[dict[str, Any]],
    packs: list[dict[str, Any]],
    gate: dict[str, Any],
) -> dict[str, str]:
    """What `apps:info` shows; a line that does not apply is left out."""
    running: dict[str, int] = {}
    for dyno in (dyno for dyno in dynos if dyno["state"] not in ENDED):
        running[dyno["type"]] = running.get(dyno["type"], 0) + 1
    owner = app["owner"]["email"]
    shown = {
        "Access Gate": summary(gate),
        "Buildpacks": ", ".join(without_credentials(entry["buildpack"]["url"]) for entry in packs),
        "Collaborators": ", ".join(entry["user"]["email"] for entry in people if entry["user"]["email"] != owner),
        "Dynos": ", ".join(f"{name}: {count}" for name, count in sorted(running.items())),
        "Git URL": app["git_url"],
        "Maintenance": "on" if app.get("maintenance") else "",
        "Owner": owner,
        "Repo Size": size(app.get("repo_size")),
        "SSH URL": app.get("ssh_url") or "",
        "Slug Size": size(app.get("slug_size")),
        "Stack": _stack(app),
        "Web URL": app["web_url"],
    }
    return {key: value for key, value in shown.items() if value}
