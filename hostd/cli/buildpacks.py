"""buildpacks, buildpacks:set, buildpacks:add, buildpacks:remove, buildpacks:clear."""

from __future__ import annotations

from collections.abc import Sequence

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, command
from hostd.cli.output import MAGENTA, without_credentials

INDEX = Option("index", "i", "the place in the order, from 1", "NUMBER")
CONFIG_VAR = "BUILDPACK_URL"


@command(
    "buildpacks",
    options=(*FOR_APP, JSON),
    examples=("hostctl buildpacks -a hello", "hostctl buildpacks -a hello --json"),
)
def buildpacks(call: Call) -> None:
    """List the buildpacks that were chosen for an app.

    Without any, a build looks for BUILDPACK_URL, .buildpacks and app.json, and else at the app's files.
    """
    app = call.app
    found = call.client.get(path("apps", app, "buildpack-installations"))
    if call.flag("json"):
        call.print_json(found)
        return
    urls = [entry["buildpack"]["url"] for entry in found]
    if not urls:
        call.print(f"{call.style.app(app)} has no Buildpacks.")
        return
    call.print(call.style.heading(f"{call.style.app(app)} Buildpack{'s' if len(urls) > 1 else ''}"), "")
    call.print(*_listed(urls))


@command(
    "buildpacks:set",
    "BUILDPACK...",
    options=(*FOR_APP, INDEX),
    answers=True,
    examples=(
        "hostctl buildpacks:set heroku/python -a hello",
        "hostctl buildpacks:set https://git.example.com/packs/lua.git#v1 -a hello",
        "hostctl buildpacks:set heroku/nodejs heroku/python -a hello",
        "hostctl buildpacks:set heroku/nodejs -i 2 -a hello",
    ),
)
def set_(call: Call) -> None:
    """Set buildpacks of an app, in place of those that it has there.

    A BUILDPACK is a bundled one (heroku/python, or python), or the URL of a git repository or a tarball, perhaps with
    #BRANCH, #TAG or #COMMIT. They replace as many, from the first on, or from --index.
    """
    app, urls = call.app, _chosen(call, call.app)
    place = _index(call, 1, max(1, len(urls) + 1)) - 1
    urls[place : place + len(call.words)] = call.words
    _changed(call, app, "set", _replace(call, app, urls))


@command(
    "buildpacks:add",
    "BUILDPACK...",
    options=(*FOR_APP, INDEX),
    answers=True,
    examples=(
        "hostctl buildpacks:add heroku/nodejs -a hello",
        "hostctl buildpacks:add heroku-community/apt -i 1 -a hello",
    ),
)
def add(call: Call) -> None:
    """Add buildpacks to those of an app, at the end or at --index.

    They run one after the other; the last one's default process types count.
    """
    app, urls = call.app, _chosen(call, call.app)
    place = _index(call, len(urls) + 1, len(urls) + 1) - 1
    urls[place:place] = call.words
    _changed(call, app, "added", _replace(call, app, urls))


@command(
    "buildpacks:remove",
    "[BUILDPACK]",
    options=(*FOR_APP, INDEX),
    answers=True,
    examples=("hostctl buildpacks:remove heroku/nodejs -a hello", "hostctl buildpacks:remove -i 2 -a hello"),
)
def remove(call: Call) -> None:
    """Remove a buildpack from those of an app."""
    if bool(call.word) == (call.text("index") is not None):
        raise Usage("Say which: either a buildpack or its --index, and not both.")
    app, urls = call.app, _chosen(call, call.app)
    if not urls:
        raise Refused(f"No buildpacks were found. Next release on {app} will detect buildpacks normally.")
    place = _place(call.word, urls) if call.word else _index(call, 1, len(urls)) - 1
    del urls[place]
    _changed(call, app, "removed", _replace(call, app, urls))


@command(
    "buildpacks:clear",
    options=FOR_APP,
    answers=True,
    examples=("hostctl buildpacks:clear -a hello",),
)
def clear(call: Call) -> None:
    """Remove all buildpacks of an app: its next build detects them."""
    app = call.app
    _changed(call, app, "cleared", _replace(call, app, []))


def _chosen(call: Call, app: str) -> list[str]:
    found = call.client.get(path("apps", app, "buildpack-installations"))
    return [str(entry["buildpack"]["url"]) for entry in found]


def _replace(call: Call, app: str, urls: Sequence[str]) -> list[str]:
    updates = {"updates": [{"buildpack": url} for url in urls]}
    found = call.client.request("PUT", path("apps", app, "buildpack-installations"), updates).data
    return [str(entry["buildpack"]["url"]) for entry in found]


def _index(call: Call, default: int, most: int) -> int:
    if call.text("index") is None:
        return default
    return call.number("index", default, 1, most)


def _place(word: str, urls: Sequence[str]) -> int:
    for place, url in enumerate(urls):
        if url == word or url.removeprefix("heroku/") == word.removeprefix("heroku-community/"):
            return place
    raise Refused(f"Buildpack {word} not found. Nothing was removed. See: hostctl buildpacks")


def _changed(call: Call, app: str, done: str, urls: Sequence[str]) -> None:
    """What was changed, and what it means for the next release, in the words of Heroku's client."""
    push = call.style.paint(f"git push {call.text('remote') or 'hostd'} main", MAGENTA)
    many = "s" if len(urls) > 1 or done == "cleared" else ""
    if len(urls) == 1:
        call.print(f"Buildpack {done}. Next release on {app} will use {without_credentials(urls[0])}.")
    elif urls:
        call.print(f"Buildpack {done}. Next release on {app} will use:", *(f"  {line}" for line in _listed(urls)))
    elif CONFIG_VAR in call.client.get(path("apps", app, "config-vars")):
        call.print(f"Buildpack{many} {done}.")
        call.warn(f"The {CONFIG_VAR} config var is still set and will be used for the next release.")
    else:
        call.print(f"Buildpack{many} {done}. Next release on {app} will detect buildpacks normally.")
    if urls:
        call.print(f"Run {push} to create a new release using {'these buildpacks' if many else 'this buildpack'}.")


def _listed(urls: Sequence[str]) -> list[str]:
    if len(urls) == 1:
        return [without_credentials(urls[0])]
    return [f"{number}. {without_credentials(url)}" for number, url in enumerate(urls, start=1)]
