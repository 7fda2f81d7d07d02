"""Transfers of pipelines to another owner, with their apps, in Heroku's shapes."""

from __future__ import annotations

from aiohttp import web

from hostd.api.identity import known_owner
from hostd.api.pipelines import named, own_pipeline
from hostd.api.requests import answer, body_of, context_of, refuse_during_deploy, user_of
from hostd.api.revoking import review
from hostd.api.transfers import recipient_named, release_of_transfer
from hostd.context import Context
from hostd.ledger.apps import App
from hostd.ledger.pipelines import Pipeline
from hostd.ledger.users import User

routes = web.RouteTableDef()


@routes.post("/pipeline-transfers")
async def create(request: web.Request) -> web.Response:
    """Give a pipeline to another user: `{"pipeline": {"id"}, "new_owner": {"id", "type": "user"}}`.

    At once, and with those of its apps that are its owner's ("changing pipeline ownership along with the contained
    apps", Heroku's Platform API); apps of others stay theirs. Raises Busy while somebody deploys one of them.
    """
    context, user, body = context_of(request), known_owner(user_of(request)), await body_of(request)
    pipeline = own_pipeline(request, named(body, "pipeline"))
    before = context.ledger.users.once(pipeline.owner_id)
    owner = recipient_named(context, named(body, "new_owner", "email"))
    apps = _apps(context, pipeline) if owner.id != before.id else []
    for app in apps:
        refuse_during_deploy(context, app)
    changed = _transfer(context, pipeline, apps, owner, user)
    # All releases first: whatever ends for who was the owner takes its time, in which somebody could deploy.
    for app in apps:
        await release_of_transfer(context, app, before, owner, user)
    for app in apps:
        await review(request, before, app)
    return answer(
        {
            "new_owner": {"id": owner.id, "type": "user"},
            "pipeline": {"id": changed.id, "name": changed.name},
            "previous_owner": {"id": before.id, "type": "user"},
        },
        201,
    )


def _apps(context: Context, pipeline: Pipeline) -> list[App]:
    """The apps of a pipeline that are its owner's."""
    apps = [context.ledger.apps.get(each.app_id) for each in context.ledger.pipelines.couplings(pipeline.id)]
    return [app for app in apps if app.owner_id == pipeline.owner_id]


def _transfer(context: Context, pipeline: Pipeline, apps: list[App], owner: User, user: User) -> Pipeline:
    """All of it, or nothing. What was offered to somebody else meanwhile is not any more."""
    transfers = context.ledger.transfers
    with context.ledger.transaction():
        for app in apps:
            if waiting := transfers.pending(app.id):
                transfers.cancel(waiting.id)
            transfers.accept(transfers.offer(app, owner, user).id)
        return context.ledger.pipelines.transfer(pipeline, owner)
