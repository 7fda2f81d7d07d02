"""Stacks: what apps are built for and run on; making, updating, taking back and destroying them is for admins."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from hostd.api.identity import known_owner
from hostd.api.requests import (
    admin_of,
    answer,
    answer_list,
    app_for,
    body_of,
    by_fields,
    context_of,
    flag_field,
    optional_text,
    text_field,
    user_of,
)
from hostd.api.shapes import stack_json
from hostd.code_stores import StackOutcome
from hostd.context import Context
from hostd.errors import NotFound, to_api
from hostd.ledger.users import User
from slugs.build_unit import Output

routes = web.RouteTableDef()
_log = logging.getLogger(__name__)


@routes.get("/stacks")
async def index(request: web.Request) -> web.Response:
    """The stacks that apps can use."""
    context, user = context_of(request), user_of(request)
    found = [_json(context, user, name) for name in context.stacks.names()]
    return answer_list(request, found, sortable=by_fields("name", "id"), default="name")


@routes.get("/apps/{app}/available-stacks")
async def of_app(request: web.Request) -> web.StreamResponse:
    """Those that an app can be built for: all."""
    app_for(request)
    return await index(request)


@routes.get("/stacks/{stack}")
async def show(request: web.Request) -> web.Response:
    """One stack, by its name or id."""
    context, user = context_of(request), user_of(request)
    return answer(_json(context, user, _known(context, request.match_info["stack"])))


@routes.get("/hostd/stacks/{stack}/packages")
async def packages(request: web.Request) -> web.Response:
    """What is installed in the current version of a stack, package to version; null for the host stack."""
    context = context_of(request)
    return answer(context.stacks.packages(_known(context, request.match_info["stack"])))


@routes.post("/hostd/stacks")
async def create(request: web.Request) -> web.StreamResponse:
    """Make the stack `name`; the answer says what is being done and how it ended (`_told`)."""
    stacks, user = context_of(request).stacks, known_owner(admin_of(request))
    name = text_field(await body_of(request), "name")
    return await _told(request, lambda output: stacks.create(name, user=user, output=output))


@routes.post("/hostd/stacks/{stack}/versions")
async def update(request: web.Request) -> web.StreamResponse:
    """Make a new version with the patches of the day, and move every app onto it; answers as `create`.

    With `force` there is a new version although no package has changed.
    """
    stacks, user = context_of(request).stacks, known_owner(admin_of(request))
    name, force = request.match_info["stack"], flag_field(await body_of(request), "force")
    return await _told(request, lambda output: stacks.update(name, user=user, output=output, force=force))


@routes.patch("/hostd/stacks/{stack}")
async def switch(request: web.Request) -> web.StreamResponse:
    """Make another `version` current, null for the one before, and move every app onto it; answers as `create`."""
    stacks, user = context_of(request).stacks, known_owner(admin_of(request))
    name, version = request.match_info["stack"], optional_text(await body_of(request), "version")
    return await _told(request, lambda output: stacks.switch(name, version, user=user, output=output))


@routes.delete("/hostd/stacks/{stack}")
async def destroy(request: web.Request) -> web.Response:
    """Delete a stack that no app needs."""
    admin_of(request)
    gone = context_of(request).stacks.destroy(request.match_info["stack"])
    return answer({"destroyed": [version.ref for version in gone]})


def _known(context: Context, name_or_id: str) -> str:
    names = context.stacks.names()
    for name in names:
        if name_or_id in (name, stack_json(name)["id"]):
            return name
    raise NotFound(f"There is no stack {name_or_id[:40]!r} here. There are: {', '.join(names)}.")


def _json(context: Context, user: User, name: str) -> dict[str, Any]:
    version, system = context.stacks.current(name)
    seen = {app.id for app in context.ledger.apps.list_for(user)}
    return stack_json(
        name,
        version=version,
        system=system,
        versions=context.ledger.stacks.versions(name),
        apps=context.stacks.apps_on(name),
        seen=seen,
    )


async def _told(request: web.Request, work: Callable[[Output], Awaitable[StackOutcome]]) -> web.StreamResponse:
    """Do it, and answer with the output as it is made and a last line that says how it ended.

    That line begins with a NUL: `{"stack", "moved": [{"app", "release", "trouble"}]}`, or `{"id", "message"}` for what
    failed after the first output.
    """
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.enable_chunked_encoding()

    async def output(piece: bytes) -> None:
        if not response.prepared:
            await response.prepare(request)
        await response.write(piece.replace(b"\0", b""))

    try:
        outcome = await work(output)
        last: dict[str, Any] = {"stack": outcome.ref, "moved": [_moved(app) for app in outcome.moved]}
    except Exception as error:
        if not response.prepared:
            raise
        status, last = to_api(error)
        if status >= 500:
            _log.exception("%s %s failed", request.method, request.path)
    if not response.prepared:
        await response.prepare(request)
    await response.write(b"\0" + json.dumps(last).encode() + b"\n")
    await response.write_eof()
    return response


def _moved(app: Any) -> dict[str, Any]:
    return {"app": app.app, "release": app.release, "trouble": app.trouble}
