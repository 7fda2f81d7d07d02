"""stacks, stacks:info, :create, :update, :rollback, :destroy; stack, stack:set."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import ConnectionLost, path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, command
from hostd.cli.leaving import end_with_reader
from hostd.cli.output import GREEN, columns, moment, pairs, printable

HOST = "host"
_PIECE = 64 * 1024


@command(
    "stacks",
    options=(JSON,),
    examples=("hostctl stacks", "hostctl stacks --json"),
)
def stacks(call: Call) -> None:
    """List the stacks: the systems that apps are built for and run on.

    The host stack is the server's own system; the others are Debian releases that an admin has made.
    """
    found = call.client.get(path("stacks"))
    if call.flag("json"):
        call.print_json(found)
        return
    rows = [(stack["name"], stack["version"] or "", _apps(stack)) for stack in found]
    call.print(call.style.heading("Stacks"), "", *columns(rows))


@command(
    "stacks:info",
    "STACK",
    options=(Option("packages", "p", "list the installed packages with their versions"), JSON),
    examples=("hostctl stacks:info debian-12", "hostctl stacks:info debian-12 --packages"),
)
def info(call: Call) -> None:
    """Show a stack: its versions, and which apps run on them."""
    name = call.words[0]
    stack = call.client.get(path("stacks", name))
    packages = call.client.get(path("hostd", "stacks", name, "packages")) or {}
    if call.flag("json"):
        call.print_json({"stack": stack, "packages": packages})
        return
    if call.flag("packages"):
        call.print(*columns(sorted(packages.items())) if packages else [])
        if not packages:
            call.say("The host stack has the server's own packages: dpkg -l")
        return
    shown = {
        "Current version": stack["version"],
        "Packages": str(len(packages)) if packages else "those of the server",
        "System": stack["system"],
    }
    call.print(call.style.heading(stack["name"]), "", *pairs(shown, call.style), "")
    call.print(call.style.heading("Versions"), "", *columns(_versions(call, stack)))


@command(
    "stacks:create",
    "STACK",
    examples=("hostctl stacks:create debian-12", "hostctl stacks:create debian-13"),
)
def create(call: Call) -> int:
    """Make a stack of a Debian release (for admins).

    Its packages come from this server's own Debian mirrors, patched as of today; it takes one to six minutes. Ctrl-C
    leaves nothing. Apps choose it with: hostctl stack:set STACK -a APP
    """
    return _change(call, "POST", path("hostd", "stacks"), {"name": call.words[0]})


@command(
    "stacks:update",
    "[STACK]",
    options=(
        Option("to", None, "make a version current that is there, instead of a new one", "VERSION"),
        Option("force", "f", "make a new version although no package has changed"),
    ),
    examples=(
        "hostctl stacks:update",
        "hostctl stacks:update debian-12",
        "hostctl stacks:update debian-12 --to 20261121.1",
    ),
)
def update(call: Call) -> int:
    """Make a new version of a stack with the patches of the day, and move every app onto it (for admins).

    Without a STACK: all that were made. Each app gets a release; its new web dynos take over once they are up, so that
    no request fails. An app that does not come up on the new version stays on the old one, and is named; exit status 1
    then. If no package has changed there is no new version, and apps that are behind are moved.
    """
    version = call.text("to")
    if version is not None and (not call.word or call.flag("force")):
        raise Usage("--to goes with a STACK and without --force.")
    if version is not None:
        return _change(call, "PATCH", path("hostd", "stacks", call.words[0]), {"version": version})
    names = call.words or [stack["name"] for stack in call.client.get(path("stacks")) if stack["name"] != HOST]
    if not names:
        call.say("There are no stacks but the host's. Make one: hostctl stacks:create debian-12")
    body = {"force": call.flag("force")}
    return max((_change(call, "POST", path("hostd", "stacks", name, "versions"), body) for name in names), default=0)


@command(
    "stacks:rollback",
    "STACK",
    examples=("hostctl stacks:rollback debian-12",),
)
def rollback(call: Call) -> int:
    """Go back to the version of a stack before the current one, with every app (for admins).

    As with stacks:update no request fails. The version that is left can be taken again with stacks:update --to.
    """
    return _change(call, "PATCH", path("hostd", "stacks", call.words[0]), {"version": None})


@command(
    "stacks:destroy",
    "STACK",
    options=(Option("confirm", "c", "the stack's name, instead of typing it when asked", "STACK"),),
    answers=True,
    examples=("hostctl stacks:destroy debian-12 --confirm debian-12",),
)
def destroy(call: Call) -> None:
    """Delete a stack with all its versions (for admins).

    Refused while an app runs on it, has chosen it for its next build, or can be rolled back onto it.
    """
    name = call.words[0]
    call.confirm(name, f"This deletes the stack {name}.")
    with call.action(f"Destroying {name}"):
        call.client.request("DELETE", path("hostd", "stacks", name))


@command(
    "stack",
    options=(*FOR_APP, JSON),
    examples=("hostctl stack -a hello", "hostctl stack -a hello --json"),
)
def stack(call: Call) -> None:
    """Show the stack of an app, among those there are."""
    name = call.app
    app = call.client.get(path("apps", name))
    found = call.client.get(path("stacks"))
    if call.flag("json"):
        call.print_json(found)
        return
    call.print(call.style.heading(f"{call.style.app(app['name'])} Available Stacks"), "")
    for known in (stack["name"] for stack in found):
        if known == app["stack"]["name"]:
            call.print(call.style.paint(f"* {known}", GREEN))
        else:
            next_ = " (active on next deploy)" if known == app["build_stack"]["name"] else ""
            call.print(f"  {known}{next_}")


@command(
    "stack:set",
    "STACK",
    options=FOR_APP,
    answers=True,
    examples=("hostctl stack:set debian-12 -a hello",),
)
def choose(call: Call) -> None:
    """Choose the stack of an app.

    It counts from the app's next build on; until then the app runs as it does.
    """
    name, wanted = call.app, call.words[0]
    with call.action(f"Setting stack to {call.error_style.paint(wanted, GREEN)}"):
        app = call.client.request("PATCH", path("apps", name), {"build_stack": wanted}).data
    if app["stack"]["name"] != wanted:
        call.say(f"You will need to redeploy {call.error_style.app(app['name'])} for the change to take effect.")
        call.say(
            f"Run {call.cmd('git push hostd main')} to trigger a new build on {call.error_style.app(app['name'])}."
        )


def _apps(stack: dict[str, Any]) -> str:
    count = sum(version["app_count"] for version in stack["versions"])
    return "no apps" if not count else f"{count} app{'s' if count > 1 else ''}"


def _versions(call: Call, stack: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for version in stack["versions"]:
        others = version["app_count"] - len(version["apps"])
        apps = [*version["apps"], *([f"{others} of others"] if others else [])]
        when = moment(version["created_at"], call.around.clock()) if version["created_at"] else ""
        rows.append((version["version"], "current" if version["current"] else "", when, ", ".join(apps)))
    return rows


def _change(call: Call, method: str, target: str, body: dict[str, Any]) -> int:
    """Let hostd change a stack; print what it says as it comes, and return the exit status."""
    end_with_reader(call.around.stderr)
    response = call.client.stream(method, target, body)
    rest = b""
    try:
        while b"\0" not in rest:
            call.say(_lines(rest), end="")
            rest = rest[rest.rfind(b"\n") + 1 :]
            if not (piece := response.read1(_PIECE)):
                raise ConnectionLost(_LOST)
            rest += piece
        said, _, last = (rest + response.read()).partition(b"\0")
    except (OSError, HTTPException) as error:
        raise ConnectionLost(_LOST) from error
    finally:
        response.close()
    call.say(_lines(said), end="")
    return _ended(call, json.loads(last))


_LOST = (
    "hostd went away before it was done. What there is now: hostctl stacks. "
    "If apps were being moved, it goes on with them when it is back."
)


def _lines(text: bytes) -> str:
    """The whole lines of the text, for the terminal."""
    whole = text[: text.rfind(b"\n") + 1].decode(errors="replace")
    return "".join(f"{printable(line)}\n" for line in whole.splitlines())


def _ended(call: Call, last: dict[str, Any]) -> int:
    if "message" in last:
        raise Refused(last["message"])
    stays = [app["app"] for app in last["moved"] if app["trouble"]]
    done = len(last["moved"]) - len(stays)
    moved = f", {done} app{'s' if done > 1 else ''} moved" if done else ""
    call.say(f"-----> {last['stack']} is current{moved}")
    if stays:
        call.warn(f"Not moved: {', '.join(stays)}. See: hostctl logs -a {stays[0]}")
    return 1 if stays else 0
