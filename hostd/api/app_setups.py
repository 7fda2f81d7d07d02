"""Setups of apps: one is made, configured and deployed at one go, as the app.json of a source says."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd import names
from hostd.api import signed
from hostd.api.apps import name_of, refuse_elsewhere, stack_named
from hostd.api.builds import uploaded
from hostd.api.deploys import version
from hostd.api.identity import known_owner
from hostd.api.requests import ASKED, Asked, answer, body_of, context_of, optional_text, text_field, user_of
from hostd.api.shapes import moment
from hostd.deploys import origins
from hostd.deploys.deploy import Wanted
from hostd.errors import Busy, Invalid, NotFound
from hostd.ledger.app_setups import AppSetup
from hostd.ledger.apps import HOST_STACK

routes = web.RouteTableDef()

MOST = 5
"""Setups of a user that may go on at the same time."""


@routes.post("/app-setups")
async def create(request: web.Request) -> web.Response:
    """Set an app up: `{"source_blob": {"url", "checksum"?, "version"?}, "app"?: {"name"?, "stack"?}, "overrides"?:
    {"env"?, "buildpacks"?}}`. Answers when the app is there; how it goes on is told by the setup."""
    context, user, body = context_of(request), known_owner(user_of(request)), await body_of(request)
    wanted, asked = _wanted(request, body), body.get("app") or {}
    refuse_elsewhere({
        "region": asked.get("region"),
        "space": name_of(asked.get("space")),
        "team": name_of(asked.get("organization")),
    })
    name, stack = optional_text(asked, "name"), stack_named(context, name_of(asked.get("stack")) or HOST_STACK)
    if sum(each.user_id == user.id for each in context.ledger.app_setups.pending()) >= MOST:
        raise Busy(f"{MOST} apps are being set up for you. Wait until one of them is done, then try again.")
    with context.ledger.transaction():
        app = context.ledger.apps.create(name and names.app_name(name), user.id, stack)
        setup = context.ledger.app_setups.add(app, user)
    request[ASKED] = Asked(app)
    context.setups.begin(setup, app, user, wanted)
    return answer(_json(request, setup), 202)


@routes.get("/app-setups/{setup}")
async def show(request: web.Request) -> web.Response:
    """How far a setup is."""
    return answer(_json(request, _visible(request)))


@routes.get("/hostd/app-setups/{setup}/output")
async def output(request: web.Request) -> web.StreamResponse:
    """What a setup says, as text; while it goes on, as it is said."""
    setup = _visible(request)
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for piece in context_of(request).setups.output(setup):
        await response.write(piece)
    await response.write_eof()
    return response


def _wanted(request: web.Request, body: dict[str, Any]) -> Wanted:
    blob, overrides = body["source_blob"], body.get("overrides") or {}
    url, checksum, wanted = text_field(blob, "url"), optional_text(blob, "checksum"), optional_text(blob, "version")
    tree = uploaded(request, None, url, checksum)
    if tree is None and not url.lower().startswith("https://"):
        raise Invalid("The source's address must begin with https://.")
    if tree is not None:
        source, label = origins.tarball(strip=True)
    elif origins.is_repository(url):
        if checksum is not None:
            raise Invalid("A git repository has no checksum: name a commit as its version.")
        source, label = origins.repository(url, wanted or "")
    else:
        label = origins.download(url)[1]
        source = origins.tarball(strip=True)[0]
    env: dict[str, str] = overrides.get("env") or {}
    return Wanted(
        url,
        source,
        label,
        version(wanted),
        checksum,
        names.config_changes({}, env),
        tuple(origins.buildpacks([each["url"] for each in overrides.get("buildpacks") or []])),
        tree,
    )


def _visible(request: web.Request) -> AppSetup:
    """The setup that the path names, if it is the caller's, or that of an app that they may see. Raises NotFound."""
    context, user, wanted = context_of(request), user_of(request), request.match_info["setup"]
    setup = context.ledger.app_setups.get(wanted)
    if setup.user_id == user.id or context.ledger.access.rights(context.ledger.apps.once(setup.app_id), user):
        return setup
    raise NotFound(f"There is no setup {wanted[:60]!r}.", resource="app_setup")


def _json(request: web.Request, setup: AppSetup) -> dict[str, Any]:
    return {
        "app": {"id": setup.app_id, "name": context_of(request).ledger.apps.once(setup.app_id).name},
        "build": _build(request, setup),
        "created_at": moment(setup.created_at),
        "failure_message": setup.failure,
        "id": setup.id,
        "manifest_errors": list(setup.problems),
        "postdeploy": {"output": setup.postdeploy.output, "exit_code": setup.postdeploy.status}
        if setup.postdeploy is not None
        else None,
        "resolved_success_url": setup.success_url,
        "status": setup.status.value,
        "updated_at": moment(setup.updated_at),
    }


def _build(request: web.Request, setup: AppSetup) -> dict[str, Any] | None:
    """The build, once it has begun."""
    try:
        build = context_of(request).ledger.builds.get(setup.build_id)
    except NotFound:
        return None
    output = signed.address(request, signed.Kind.BUILD, setup.app_id, build.id)
    return {"id": build.id, "output_stream_url": output, "status": build.status}
