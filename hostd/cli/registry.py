"""buildpacks:search, buildpacks:info, buildpacks:versions: the buildpacks that came with the server."""

from __future__ import annotations

import base64

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import JSON, command
from hostd.cli.output import columns, printable

_COLUMNS = ("Buildpack", "Category", "Description")


@command(
    "buildpacks:search",
    "[TERM]",
    options=(JSON,),
    examples=("hostctl buildpacks:search", "hostctl buildpacks:search python"),
)
def search(call: Call) -> None:
    """List the bundled buildpacks, all or those that have TERM in their name or description.

    Any other buildpack is named by the address of its git repository: hostctl buildpacks:add.
    """
    term = call.words[0].lower() if call.words else ""
    found = [
        each
        for each in call.client.get(path("buildpacks"))
        if term in f"{_full_name(each)} {each['description']}".lower()
    ]
    if call.flag("json"):
        call.print_json(found)
        return
    if not found:
        call.print("No buildpacks found")
        return
    rows = [(_full_name(each), each["category"] or "", each["description"]) for each in found]
    call.print(*columns([_COLUMNS, *rows], width=call.width, shorten=(2,)))


@command("buildpacks:info", "BUILDPACK", options=(JSON,), examples=("hostctl buildpacks:info heroku/python",))
def info(call: Call) -> None:
    """Show what a bundled buildpack is for."""
    name = call.words[0]
    found = call.client.get(path("buildpacks", name))
    if call.flag("json"):
        call.print_json(found)
        return
    readme = call.client.get(path("buildpacks", name, "readme"))
    text = base64.b64decode(readme["content"]).decode(errors="replace")
    call.print(call.style.heading(_full_name(found)), "", *map(printable, text.splitlines()))


@command("buildpacks:versions", "BUILDPACK", options=(JSON,), examples=("hostctl buildpacks:versions heroku/python",))
def versions(call: Call) -> None:
    """List the versions of a bundled buildpack: there is the one that came with the server."""
    found = call.client.get(path("buildpacks", call.words[0], "revisions"))
    if call.flag("json"):
        call.print_json(found)
        return
    rows = [(str(each["release"]), each["created_at"], each["status"]) for each in found]
    call.print(*columns([("Version", "Released At", "Status"), *rows]))


def _full_name(buildpack: dict[str, str]) -> str:
    return f"{buildpack['namespace']}/{buildpack['name']}"
