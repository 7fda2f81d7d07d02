"""Add-ons: there are none on this platform yet. Lists are empty, and one that is asked for is not found."""

from __future__ import annotations

from typing import Never

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of
from hostd.api.users import named_user
from hostd.errors import NotFound
from hostd.ledger.access import Right

routes = web.RouteTableDef()


@routes.get("/addon-services")
@routes.get("/addons")
@routes.get("/addon-attachments")
async def index(_request: web.Request) -> web.Response:
    """None."""
    return answer([])


@routes.get("/users/{user}/addons")
async def of_user(request: web.Request) -> web.Response:
    """None."""
    named_user(request)
    return answer([])


@routes.get("/apps/{app}/addons")
@routes.get("/apps/{app}/addon-attachments")
@routes.get("/apps/{app}/telemetry-drains")
async def of_app(request: web.Request) -> web.Response:
    """None."""
    app_for(request)
    return answer([])


@routes.get("/apps/{app}/usage")
async def usage(request: web.Request) -> web.Response:
    """What the add-ons of an app count."""
    app = app_for(request)
    return answer({"addons": [], "id": app.id, "name": app.name})


@routes.get("/addon-services/{service}")
@routes.get("/addon-services/{service}/plans")
async def service(request: web.Request) -> web.Response:
    """Not found."""
    return _no_service(request.match_info["service"])


@routes.post("/apps/{app}/addons")
async def create(request: web.Request) -> web.Response:
    """Not found: there is no service of that name."""
    app_for(request, Right.OPERATE)
    plan = (await body_of(request))["plan"]
    named: str = (plan.get("name") or plan["id"]) if isinstance(plan, dict) else plan
    return _no_service(named.partition(":")[0])


@routes.get("/addons/{addon}")
@routes.get("/addons/{addon}/addon-attachments")
async def show(request: web.Request) -> web.Response:
    """Not found."""
    return _no_addon(request.match_info["addon"])


@routes.get("/apps/{app}/addons/{addon}")
async def show_of_app(request: web.Request) -> web.Response:
    """Not found."""
    app_for(request)
    return _no_addon(request.match_info["addon"])


@routes.get("/addon-attachments/{attachment}")
async def attachment(request: web.Request) -> web.Response:
    """Not found."""
    return _no_attachment(request.match_info["attachment"])


@routes.get("/apps/{app}/addon-attachments/{attachment}")
async def attachment_of_app(request: web.Request) -> web.Response:
    """Not found."""
    app_for(request)
    return _no_attachment(request.match_info["attachment"])


@routes.post("/actions/addons/resolve")
async def resolve(request: web.Request) -> web.Response:
    """Not found."""
    return _no_addon((await body_of(request))["addon"])


@routes.post("/actions/addon-attachments/resolve")
async def resolve_attachment(request: web.Request) -> web.Response:
    """Not found."""
    return _no_attachment((await body_of(request))["addon_attachment"])


def _no_service(name: str) -> Never:
    raise NotFound(
        f"Couldn't find the add-on service {name[:60]!r}: there are no add-ons on this platform yet. For a service "
        "that runs elsewhere set its address as a config var: hostctl config:set DATABASE_URL=...",
        resource="addon_service",
    )


def _no_addon(name: str) -> Never:
    raise NotFound(f"Couldn't find that add-on: {name[:60]!r}.", resource="add_on")


def _no_attachment(name: str) -> Never:
    raise NotFound(f"Couldn't find that add-on attachment: {name[:60]!r}.", resource="attachment")
