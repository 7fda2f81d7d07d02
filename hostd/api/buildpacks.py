"""The bundled buildpacks, as a registry of buildpacks shows them: clients look a name up there before they send it."""

from __future__ import annotations

import base64
import uuid
from typing import Any

from aiohttp import web

from buildpacks.contract import NAMES
from hostd.api.requests import answer
from hostd.errors import NotFound

routes = web.RouteTableDef()

NAMESPACE = "heroku"
DESCRIPTIONS = {
    "apt": "Debian packages from an Aptfile",
    "clojure": "Clojure, with Leiningen or the Clojure CLI",
    "go": "Go modules",
    "gradle": "Java and its kin, built by Gradle",
    "java": "Java, built by Maven",
    "nodejs": "Node.js, with npm, Yarn or pnpm",
    "php": "PHP, with Composer",
    "procfile": "Anything that a Procfile starts as it is",
    "python": "Python, with pip, Pipenv, Poetry or uv",
    "ruby": "Ruby, with Bundler",
    "scala": "Scala and Play, built by sbt",
    "static": "Static files",
}


@routes.get("/buildpacks")
async def index(request: web.Request) -> web.Response:
    """All, or those of `in[namespace][]`, of `in[name][]`, and with `like[description]` in their description."""
    spaces, names = request.query.getall("in[namespace][]", []), request.query.getall("in[name][]", [])
    like = request.query.get("like[description]", "").lower()
    if spaces and NAMESPACE not in spaces:
        return answer([])
    found = [name for name in sorted(NAMES) if not names or name in names]
    return answer([_json(name) for name in found if like in DESCRIPTIONS[name].lower()])


@routes.get("/buildpacks/{buildpack}")
async def show(request: web.Request) -> web.Response:
    """One, by `heroku%2Fpython`."""
    return answer(_json(_named(request)))


@routes.get("/buildpacks/{buildpack}/readme")
async def readme(request: web.Request) -> web.Response:
    """What it is for, in base64 as registries have it."""
    name = _named(request)
    text = f"{DESCRIPTIONS[name]}. Bundled with hostd: docs/buildpacks.md.\n"
    return answer({"content": base64.b64encode(text.encode()).decode(), "encoding": "base64"})


@routes.get("/buildpacks/{buildpack}/revisions")
async def revisions(request: web.Request) -> web.Response:
    """Its one revision: the one that came with the platform."""
    name = _named(request)
    return answer(
        [{"created_at": BEGINNING, "id": _id(f"{name}/1"), "license": None, "release": 1, "status": "published"}]
    )


BEGINNING = "1970-01-01T00:00:00Z"
"""When a bundled buildpack was released: it has no date of its own."""


def _named(request: web.Request) -> str:
    asked = request.match_info["buildpack"]
    name = asked.removeprefix(f"{NAMESPACE}/")
    if name not in NAMES:
        raise NotFound(
            f"There is no bundled buildpack {asked[:80]!r}. There are: {', '.join(sorted(NAMES))}. Any other can be "
            "named by the address of its git repository.",
            resource="buildpack",
        )
    return name


def _json(name: str) -> dict[str, Any]:
    return {
        # What a client sends back as an app's buildpack, and shows without the beginning.
        "blob_url": f"urn:buildpack:{NAMESPACE}/{name}",
        "category": "languages" if name not in ("apt", "procfile", "static") else "tools",
        "description": DESCRIPTIONS[name],
        "id": _id(name),
        "logo": None,
        "name": name,
        "namespace": NAMESPACE,
        "source": {"owner": "", "repo": "", "type": "bundled"},
        "support": {"address": "", "method": "bundled"},
    }


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.buildpack.hostd"))
