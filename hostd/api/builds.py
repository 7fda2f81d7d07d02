"""Builds: the list, one of them, its output while it is made, starting and cancelling one."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from hostd.api import signed
from hostd.api.deploys import timeout, version
from hostd.api.identity import known_owner
from hostd.api.requests import (
    answer,
    answer_list,
    app_for,
    body_of,
    context_of,
    optional_text,
    range_of,
    text_field,
    user_of,
)
from hostd.api.shapes import build_json
from hostd.context import Context
from hostd.deploys import origins
from hostd.deploys.deploy import Deploy
from hostd.errors import Conflict, Invalid
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.builds import Build
from hostd.ledger.database import to_text

routes = web.RouteTableDef()

MOST = 1000
_UPLOAD = re.compile(r"https?://([^/]+)/hostd/sources/([0-9a-f-]{36})")
_SORTABLE: dict[str, Callable[[Build], str | int]] = {
    "started_at": lambda build: to_text(build.created_at),
    "id": lambda build: build.id,
}


@routes.get("/apps/{app}/builds")
async def index(request: web.Request) -> web.Response:
    """Builds, oldest first; `Range: started_at ..; order=desc, max=15` asks for the newest 15, newest first."""
    context, app = context_of(request), app_for(request)
    asked = range_of(request, _SORTABLE)
    newest = asked is not None and asked.by == "started_at" and asked.descending and not asked.start
    found = context.ledger.builds.list(app.id, asked.most + 1 if asked is not None and newest else MOST)

    def shape(build: Build) -> dict[str, Any]:
        return _json(request, app, build)

    return answer_list(request, found[::-1], sortable=_SORTABLE, default="started_at", shape=shape)


@routes.get("/apps/{app}/builds/{build}")
async def show(request: web.Request) -> web.Response:
    """One build, by its id or the beginning of it, or `current` for the newest."""
    app = app_for(request)
    return answer(_json(request, app, _build(request, app)))


@routes.get("/apps/{app}/builds/{build}/output")
async def output(request: web.Request) -> web.StreamResponse:
    """What the build prints, as text; while it runs, as it is printed."""
    return await output_of(request, _build(request, app_for(request)))


async def output_of(request: web.Request, build: Build) -> web.StreamResponse:
    """The output of a build as an answer."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for piece in context_of(request).deploys.output(build):
        await response.write(piece)
    await response.write_eof()
    return response


@routes.post("/apps/{app}/builds")
async def create(request: web.Request) -> web.Response:
    """Build and release `source_blob`: `{"url", "version"?, "checksum"?}`. Answers when the build has begun.

    The URL is the `get_url` of an upload (`POST .../sources`), or that of a tarball, which the build downloads.
    `buildpacks`, `[{"url"}]`, are for this build alone; `timeout` is in seconds.
    """
    context, app, user = context_of(request), app_for(request, Right.DEPLOY), known_owner(user_of(request))
    body = await body_of(request)
    blob = body["source_blob"]
    (source, label), tree = _source(request, app, blob)
    deploy = Deploy(
        str(uuid.uuid4()),
        app,
        user,
        version(optional_text(blob, "version")),
        label,
        source,
        tuple(origins.buildpacks(_urls(body.get("buildpacks") or []))),
        timeout(body.get("timeout")),
    )
    return answer(_json(request, app, await context.deploys.start(deploy, tree=tree)), 201)


@routes.delete("/apps/{app}/builds/{build}")
async def cancel(request: web.Request) -> web.Response:
    """Cancel a build that runs."""
    context, app = context_of(request), app_for(request, Right.DEPLOY)
    build = _build(request, app)
    if not context.deploys.cancel(build, user_of(request)):
        ended = context.ledger.builds.get(build.id)
        how = f"made v{ended.release_version}" if ended.release_version else "ended already"
        raise Conflict(f"The build {build.id[:8]} of {app.name} has {how}: there is nothing to cancel.")
    return answer(_json(request, app, build), 202)


@routes.patch("/hostd/apps/{app}/build-settings")
async def configure(request: web.Request) -> web.Response:
    """Set how long the app's builds may take: `{"timeout": seconds or null}`."""
    context, app = context_of(request), app_for(request, Right.DEPLOY)
    value = (await body_of(request))["timeout"]
    app = context.ledger.apps.set_build_timeout(app.id, timeout(value))
    shown = "default" if value is None else f"{value} seconds"
    context.events.api(app, f"Set build timeout to {shown} by {user_of(request).email}")
    return answer(_settings(context, app))


@routes.get("/hostd/apps/{app}/build-settings")
async def settings(request: web.Request) -> web.Response:
    """How long the app's builds may take, in seconds: its own `timeout`, or null, and the `default`."""
    return answer(_settings(context_of(request), app_for(request)))


def _settings(context: Context, app: App) -> dict[str, int | None]:
    return {"timeout": app.build_timeout, "default": context.settings.build_timeout}


def _build(request: web.Request, app: App) -> Build:
    return context_of(request).ledger.builds.find(app.id, request.match_info["build"])


def _source(request: web.Request, app: App, blob: dict[str, Any]) -> tuple[origins.Origin, AsyncIterator[bytes] | None]:
    url, checksum = text_field(blob, "url"), optional_text(blob, "checksum")
    if (tree := uploaded(request, app, url, checksum)) is not None:
        return origins.tarball(strip=True), tree
    if checksum is not None:
        raise Invalid("A checksum can be given for an upload only: see POST /apps/{app}/sources.")
    return origins.download(url), None


def uploaded(request: web.Request, app: App | None, url: str, checksum: str | None) -> AsyncIterator[bytes] | None:
    """What was uploaded to an address of this API; None for any other address. Raises NotFound, Invalid."""
    upload = _UPLOAD.fullmatch(url)
    if upload is None or upload[1] not in (request.host, "hostd"):
        return None
    return context_of(request).sources.open(app, upload[2], checksum, user_of(request))


def _urls(listed: Any) -> list[str]:
    urls = [entry.get("url") or entry.get("name") for entry in listed]
    if None in urls:
        raise Invalid('Each of the buildpacks must have an address: [{"url": ...}, ...].')
    return urls


def _json(request: web.Request, app: App, build: Build) -> dict[str, Any]:
    ledger = context_of(request).ledger
    release = ledger.releases.get(app.id, build.release_version) if build.release_version else None
    output = signed.address(request, signed.Kind.BUILD, app.id, build.id)
    return build_json(app, build, ledger.users.once(build.user_id), release, output)
