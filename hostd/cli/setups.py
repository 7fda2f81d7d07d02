"""apps:setup and apps:setup:info: an app from a source, at one go."""

from __future__ import annotations

import http.client
import time
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import JSON, Option, Usage, command
from hostd.cli.leaving import end_with_reader
from hostd.cli.output import moment, pairs, printable
from hostd.cli.waiting import WAITING, is_wanted, wait_until_up

PIECE = 64 * 1024
_ASK_SECONDS = 1.0
_TAIL = 8192


@command(
    "apps:setup",
    "URL",
    options=(
        Option("name", "n", "the app's name; else it gets a generated one", "NAME"),
        Option("env", "e", "a config var, in place of what app.json says; give several", "KEY=VALUE", many=True),
        Option("buildpack", "b", "a buildpack, in place of those of app.json; give several in order", "BUILDPACK",
               many=True),
        Option("stack", "s", "the stack to build it for, in place of that of app.json", "STACK"),
        Option("version", None, "of a git repository the branch, tag or commit; else what to call it", "TEXT"),
        Option("checksum", None, "what the archive must have: SHA256:...", "CHECKSUM"),
        *WAITING,
        Option("no-wait", None, "begin, and do not follow it"),
        JSON,
    ),
    examples=(
        "hostctl apps:setup https://example.com/guestbook.tar.gz",
        "hostctl apps:setup https://git.example.com/kate/guestbook.git --version v1.2 --name my-guestbook",
        "hostctl apps:setup https://example.com/guestbook.tar.gz --env COLOUR=blue --env MAIL=kate@example.com --wait",
    ),
)  # fmt: skip
def setup(call: Call) -> int:
    """Set an app up: create it, configure it, deploy it and run its first command, as the app.json of a source says.

    URL is the https address of a tarball, or of a git repository if it ends with .git. The app.json says which config
    vars the app has, which of them are generated, how many dynos, which buildpacks and stack, and what is run after the
    first deploy. What it needs and does not say is given with --env.

    The setup is followed to its end; exit status 1 if it failed. If nothing was released, the app is gone again. Ctrl-C
    leaves the setup alone.
    """
    waits = is_wanted(call)
    if waits and call.flag("no-wait"):
        raise Usage("--wait and --no-wait: which?")
    body = _body(call)
    name = call.text("name")
    with call.action(f"Setting up {call.error_style.app(name) if name else 'an app'}") as action:
        begun = call.client.request("POST", path("app-setups"), body).data
        action.ended = f"{call.error_style.app(begun['app']['name'])} is begun"
    if call.flag("no-wait"):
        _show(call, begun)
        return 0
    try:
        ended, told = _followed(call, begun["id"])
    except KeyboardInterrupt:
        call.say(f"The setup goes on. How far it is: hostctl apps:setup:info {begun['id']}")
        raise
    name = ended["app"]["name"]
    if ended["status"] == "failed":
        if call.flag("json"):
            call.print_json(ended)
        if not told:
            call.warn(_reason(ended))
        return 1
    if waits:
        wait_until_up(call, name)
    _show(call, ended)
    return 0


@command(
    "apps:setup:info",
    "ID",
    options=(JSON,),
    examples=("hostctl apps:setup:info 0b7f3a2c-8f1e-4f0b-9d55-0c9d6a1e2b3c",),
)
def info(call: Call) -> None:
    """Show how far a setup is, or how it ended: its app, its build, and what the command after it printed."""
    found = call.client.get(path("app-setups", call.words[0]))
    if call.flag("json"):
        call.print_json(found)
        return
    after = found["postdeploy"]
    shown = {
        "App": found["app"]["name"],
        "Build": f"{found['build']['id'][:8]} ({found['build']['status']})" if found["build"] else "",
        "ID": found["id"],
        "Postdeploy": f"exit status {after['exit_code']}" if after and after["exit_code"] is not None else "",
        "Reason": printable(" ".join((found["failure_message"] or "").split())),
        "Status": found["status"],
        "Success URL": printable(found["resolved_success_url"] or ""),
        "When": moment(found["created_at"], call.around.clock()),
    }
    call.print(call.style.heading(f"Setup of {found['app']['name']}"), "")
    call.print(*pairs({key: value for key, value in shown.items() if value}, call.style))
    if after and after["output"]:
        call.print("", "Postdeploy printed:", *(f"  {printable(line)}" for line in after["output"].splitlines()))


def _body(call: Call) -> dict[str, Any]:
    """What is asked for. Raises Usage for what is no KEY=VALUE."""
    env: dict[str, str] = {}
    for word in call.texts("env"):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise Usage(f"{printable(word[:40])} is not KEY=VALUE.")
        env[key] = value
    app = {key: given for key in ("name", "stack") if (given := call.text(key))}
    blob = {"url": call.words[0], **{key: given for key in ("version", "checksum") if (given := call.text(key))}}
    overrides: dict[str, Any] = {"env": env} if env else {}
    if packs := call.texts("buildpack"):
        overrides["buildpacks"] = [{"url": pack} for pack in packs]
    return {"source_blob": blob, **({"app": app} if app else {}), **({"overrides": overrides} if overrides else {})}


def _followed(call: Call, id: str) -> tuple[dict[str, Any], bool]:
    """Print what a setup says to its end; then what it came to, and whether its reason has been printed."""
    end_with_reader(call.around.stdout)
    quiet, tail = call.flag("json"), b""
    try:
        with call.client.stream("GET", path("hostd", "app-setups", id, "output")) as response:
            while piece := response.read1(PIECE):
                tail = (tail + piece)[-_TAIL:]
                if not quiet:
                    call.write(piece)
    except (ConnectionError, http.client.HTTPException):
        call.warn("The connection to hostd broke. Asking how the setup ended...")
    while True:
        found: dict[str, Any] = call.client.get(path("app-setups", id))
        if found["status"] != "pending":
            first = (found["failure_message"] or "").partition("\n")[0]
            return found, not quiet and first.encode() in tail
        time.sleep(_ASK_SECONDS)


def _reason(ended: dict[str, Any]) -> str:
    lines = [printable(line) for line in (ended["failure_message"] or "").splitlines()]
    return "\n".join([f"{ended['app']['name']} was not set up:", *lines])


def _show(call: Call, found: dict[str, Any]) -> None:
    if call.flag("json"):
        call.print_json(found)
    elif found["status"] == "pending":
        call.print(found["id"])
        call.say(f"How far it is: hostctl apps:setup:info {found['id']}")
    else:
        address = found["resolved_success_url"] or call.client.get(path("apps", found["app"]["name"]))["web_url"]
        call.print(printable(address))
