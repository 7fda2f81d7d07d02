"""Pipelines and which app is at which stage of one, in Heroku's shapes.

A pipeline is its owner's: they, and admins, rename it, give it away, destroy it and put apps into it. Who may see an
app of it may see it, and of the couplings those of apps that they may see.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd.api.identity import known_owner
from hostd.api.requests import (
    accessible_app,
    answer,
    answer_list,
    app_for,
    body_of,
    by_fields,
    context_of,
    text_field,
    user_of,
)
from hostd.api.shapes import GENERATION, app_ref, moment, user_ref
from hostd.context import Context
from hostd.errors import Forbidden, Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.pipelines import Coupling, Pipeline, Stage
from hostd.ledger.users import User

routes = web.RouteTableDef()


@routes.get("/pipelines")
async def index(request: web.Request) -> web.Response:
    """The pipelines that the caller may know of; `eq[name]` chooses."""
    context, name = context_of(request), request.query.get("eq[name]")
    found = [each for each in context.ledger.pipelines.list_for(user_of(request)) if name in (None, each.name)]
    rows = [_pipeline(context, each) for each in found]
    return answer_list(request, rows, sortable=by_fields("id", "name"), default="name")


@routes.post("/pipelines")
async def create(request: web.Request) -> web.Response:
    """A new pipeline of the caller's, or for an admin of anybody's: `{"name", "owner"?: {"id", "type": "user"}}`."""
    context, user, body = context_of(request), known_owner(user_of(request)), await body_of(request)
    owner = _owner(context, user, body.get("owner"))
    return answer(_pipeline(context, context.ledger.pipelines.create(text_field(body, "name"), owner.id)), 201)


@routes.get("/pipelines/{pipeline}")
async def show(request: web.Request) -> web.Response:
    """One pipeline, by its id or name."""
    return answer(_pipeline(context_of(request), pipeline_named(request, request.match_info["pipeline"])))


@routes.patch("/pipelines/{pipeline}")
async def update(request: web.Request) -> web.Response:
    """Rename it."""
    context, pipeline = context_of(request), own_pipeline(request, request.match_info["pipeline"])
    name = text_field(await body_of(request), "name")
    return answer(_pipeline(context, context.ledger.pipelines.rename(pipeline, name)))


@routes.delete("/pipelines/{pipeline}")
async def destroy(request: web.Request) -> web.Response:
    """Destroy it; its apps stay."""
    context, pipeline = context_of(request), own_pipeline(request, request.match_info["pipeline"])
    shown = _pipeline(context, pipeline)
    context.ledger.pipelines.destroy(pipeline)
    return answer(shown)


@routes.get("/pipeline-couplings")
@routes.get("/users/~/pipeline-couplings")
async def couplings(request: web.Request) -> web.Response:
    """Every coupling of an app that the caller may see."""
    return _couplings(request, None)


@routes.get("/pipelines/{pipeline}/pipeline-couplings")
async def couplings_of(request: web.Request) -> web.Response:
    """The couplings of a pipeline, of apps that the caller may see."""
    return _couplings(request, pipeline_named(request, request.match_info["pipeline"]))


@routes.get("/apps/{app}/pipeline-couplings")
async def coupling_of_app(request: web.Request) -> web.Response:
    """In which pipeline an app is: one object, as the schema of Heroku has it. 404 if it is in none."""
    context, app = context_of(request), app_for(request)
    coupling = context.ledger.pipelines.coupling_of(app.id)
    if coupling is None:
        raise NotFound(
            f"{app.name} is in no pipeline. Put it into one: hostctl pipelines:add PIPELINE -s STAGE -a {app.name}",
            resource="pipeline_coupling",
        )
    return answer(coupling_json(context, coupling))


@routes.post("/pipeline-couplings")
async def couple(request: web.Request) -> web.Response:
    """Put an app into a pipeline: `{"app", "pipeline", "stage"}`."""
    context, user, body = context_of(request), user_of(request), await body_of(request)
    app = accessible_app(request, user, named(body, "app", "name"), Right.OPERATE)
    pipeline = own_pipeline(request, named(body, "pipeline"))
    made = context.ledger.pipelines.couple(pipeline, app.id, Stage(body["stage"]))
    context.events.api(app, f"Add to pipeline {pipeline.name} at {made.stage.value} by {user.email}")
    return answer(coupling_json(context, made), 201)


@routes.get("/pipeline-couplings/{coupling}")
async def coupling(request: web.Request) -> web.Response:
    """One coupling."""
    return answer(coupling_json(context_of(request), _coupling(request, Right.VIEW)))


@routes.patch("/pipeline-couplings/{coupling}")
async def move(request: web.Request) -> web.Response:
    """Put an app at another stage."""
    context, user, found = context_of(request), user_of(request), _coupling(request, Right.OPERATE)
    moved = context.ledger.pipelines.move(found, Stage((await body_of(request))["stage"]))
    context.events.api(context.ledger.apps.get(found.app_id), f"Move to {moved.stage.value} by {user.email}")
    return answer(coupling_json(context, moved))


@routes.delete("/pipeline-couplings/{coupling}")
async def uncouple(request: web.Request) -> web.Response:
    """Take an app out of its pipeline."""
    context, user, found = context_of(request), user_of(request), _coupling(request, Right.OPERATE)
    shown = coupling_json(context, found)
    context.ledger.pipelines.uncouple(found)
    app = context.ledger.apps.get(found.app_id)
    context.events.api(app, f"Remove from pipeline {shown['pipeline']['name']} by {user.email}")
    return answer(shown)


def pipeline_named(request: web.Request, name: str) -> Pipeline:
    """The pipeline of that id or name, if the caller may know of it. Raises NotFound."""
    for pipeline in context_of(request).ledger.pipelines.list_for(user_of(request)):
        if name in (pipeline.id, pipeline.name):
            return pipeline
    raise NotFound(f"There is no pipeline {name[:60]!r}. Those that there are: hostctl pipelines", resource="pipeline")


def own_pipeline(request: web.Request, name: str) -> Pipeline:
    """A pipeline that the caller may change. Raises NotFound, Forbidden."""
    pipeline, user = pipeline_named(request, name), user_of(request)
    if not user.admin and pipeline.owner_id != user.id:
        owner = context_of(request).ledger.users.once(pipeline.owner_id)
        raise Forbidden(f"{pipeline.name} is the pipeline of {owner.email}: they, or an admin, may change it.")
    return pipeline


def named(body: dict[str, Any], field: str, *keys: str) -> str:
    """What a field names: a text, or an object with `id` or one of the keys. Raises Invalid."""
    value = body.get(field)
    if isinstance(value, dict):
        value = next((value[key] for key in ("id", *keys) if value.get(key)), None)
    if not isinstance(value, str) or not value:
        raise Invalid(f"The field {field} must be a text, or an object with {' or '.join(('id', *keys))}.")
    return value


def coupling_json(context: Context, coupling: Coupling) -> dict[str, Any]:
    """That an app is at a stage of a pipeline."""
    pipeline = context.ledger.pipelines.get(coupling.pipeline_id)
    return {
        "app": app_ref(context.ledger.apps.get(coupling.app_id)),
        "created_at": moment(coupling.created_at),
        "id": coupling.id,
        "pipeline": {"id": pipeline.id, "name": pipeline.name},
        "stage": coupling.stage.value,
        "updated_at": moment(coupling.updated_at),
    }


def visible(request: web.Request, pipeline: Pipeline | None) -> list[Coupling]:
    """The couplings of a pipeline, or all, of apps that the caller may see."""
    ledger, user = context_of(request).ledger, user_of(request)
    seen = {app.id for app in ledger.apps.list_for(user)}
    found = ledger.pipelines.couplings(pipeline.id if pipeline is not None else None)
    return [each for each in found if each.app_id in seen]


def _couplings(request: web.Request, pipeline: Pipeline | None) -> web.Response:
    rows = [coupling_json(context_of(request), each) for each in visible(request, pipeline)]
    return answer_list(request, rows, sortable=by_fields("id"), default="id")


def _coupling(request: web.Request, right: Right) -> Coupling:
    """The coupling that the path names; changing it needs a right on its app."""
    wanted = request.match_info["coupling"]
    for found in visible(request, None):
        if found.id == wanted:
            accessible_app(request, user_of(request), found.app_id, right)
            return found
    raise NotFound(f"There is no pipeline coupling {wanted[:60]!r}.", resource="pipeline_coupling")


def _owner(context: Context, user: User, wanted: Any) -> User:
    """Whose a new pipeline is to be. Raises Invalid, Forbidden, NotFound."""
    if wanted is None:
        return user
    if wanted.get("type", "user") != "user":
        raise Invalid("A pipeline belongs to a user: there are no teams here.")
    if wanted["id"] == user.id:
        return user
    if not user.admin:
        raise Forbidden("Only an admin makes pipelines for others. Make your own, then: hostctl pipelines:transfer")
    return context.ledger.users.get(wanted["id"])


def _pipeline(context: Context, pipeline: Pipeline) -> dict[str, Any]:
    return {
        "created_at": moment(pipeline.created_at),
        "generation": GENERATION,
        "id": pipeline.id,
        "name": pipeline.name,
        "owner": {**user_ref(context.ledger.users.once(pipeline.owner_id)), "type": "user"},
        "updated_at": moment(pipeline.updated_at),
    }
