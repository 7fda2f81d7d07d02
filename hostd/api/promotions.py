"""Promotions: the code of an app is given to others of its pipeline, in Heroku's shapes."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd.api.identity import known_owner
from hostd.api.pipelines import named, pipeline_named
from hostd.api.requests import accessible_app, answer, answer_list, body_of, by_fields, context_of, user_of
from hostd.api.shapes import moment
from hostd.context import Context
from hostd.errors import Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.pipelines import Pipeline
from hostd.ledger.promotions import Promotion, Target, TargetStatus

routes = web.RouteTableDef()


@routes.post("/pipeline-promotions")
async def create(request: web.Request) -> web.Response:
    """Promote: `{"pipeline": {"id"}, "source": {"app": {"id"}}, "targets": [{"app": {"id"}}]}`. Seeing the source, and
    deploying to each target, is needed. How it goes is told by the targets."""
    context, user, body = context_of(request), known_owner(user_of(request)), await body_of(request)
    pipeline = pipeline_named(request, named(body, "pipeline"))
    source = accessible_app(request, user, named(body["source"], "app", "name"))
    release = context.ledger.releases.current(source.id)
    if (wanted := body["source"].get("release")) is not None:
        release = context.ledger.releases.find(source.id, wanted["id"])
    targets: dict[str, App] = {}
    for target in body["targets"]:
        app = accessible_app(request, user, named(target, "app", "name"), Right.DEPLOY)
        if app.id == source.id:
            raise Invalid(f"{app.name} cannot be promoted to itself.")
        targets[app.id] = app
    for app in (source, *targets.values()):
        _in(context, pipeline, app)
    promotion = context.promoter.begin(pipeline, release, list(targets.values()), user)
    return answer(_promotion(context, promotion), 201)


@routes.get("/pipeline-promotions/{promotion}")
async def show(request: web.Request) -> web.Response:
    """How far a promotion is."""
    return answer(_promotion(context_of(request), _visible(request)))


@routes.get("/pipeline-promotions/{promotion}/promotion-targets")
async def targets(request: web.Request) -> web.Response:
    """How far it is with each target: its release, or why there is none."""
    promotion = _visible(request)
    rows = [_target(each) for each in context_of(request).ledger.promotions.targets(promotion.id)]
    return answer_list(request, rows, sortable=by_fields("id"), default="id")


def _in(context: Context, pipeline: Pipeline, app: App) -> None:
    coupling = context.ledger.pipelines.coupling_of(app.id)
    if coupling is None or coupling.pipeline_id != pipeline.id:
        raise Invalid(
            f"{app.name} is not in the pipeline {pipeline.name}. Put it there: "
            f"hostctl pipelines:add {pipeline.name} -s STAGE -a {app.name}"
        )


def _visible(request: web.Request) -> Promotion:
    """The promotion that the path names, if it is the caller's, or one from an app that they may see."""
    context, user, wanted = context_of(request), user_of(request), request.match_info["promotion"]
    try:
        promotion = context.ledger.promotions.get(wanted)
    except NotFound:
        promotion = None
    if promotion is not None:
        source = context.ledger.apps.once(promotion.source_app_id)
        if promotion.user_id == user.id or context.ledger.access.rights(source, user):
            return promotion
    raise NotFound(f"There is no promotion {wanted[:60]!r}.", resource="pipeline_promotion")


def _promotion(context: Context, promotion: Promotion) -> dict[str, Any]:
    found = context.ledger.promotions.targets(promotion.id)
    pending = any(target.status is TargetStatus.PENDING for target in found)
    return {
        "created_at": moment(promotion.created_at),
        "id": promotion.id,
        "pipeline": {"id": promotion.pipeline_id},
        "source": {"app": {"id": promotion.source_app_id}, "release": {"id": promotion.source_release_id}},
        "status": "pending" if pending else "completed",
        "updated_at": moment(promotion.updated_at),
    }


def _target(target: Target) -> dict[str, Any]:
    return {
        "app": {"id": target.app_id},
        "error_message": target.error,
        "id": target.id,
        "pipeline_promotion": {"id": target.promotion_id},
        "release": {"id": target.release_id} if target.release_id else None,
        "status": target.status.value,
    }
