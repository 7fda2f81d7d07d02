"""Releases: the list, one of them, its output, rollback, and the proof that none was altered."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hostd.api import signed
from hostd.api.requests import (
    admin_of,
    answer,
    answer_list,
    app_for,
    body_of,
    context_of,
    optional_text,
    range_of,
    user_of,
)
from hostd.api.shapes import release_json
from hostd.context import Context
from hostd.errors import Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.slugs import Slug

routes = web.RouteTableDef()


@routes.get("/apps/{app}/releases")
async def index(request: web.Request) -> web.Response:
    """Releases, oldest first; `Range: version ..; order=desc, max=15` asks for the newest 15, newest first."""
    context, app = context_of(request), app_for(request)
    asked = range_of(request, _SORTABLE)
    newest = asked is not None and asked.by == "version" and asked.descending and not asked.start
    # One more tells whether there are more.
    found = context.ledger.releases.list(app.id, asked.most + 1 if asked is not None and newest else None)
    return answer_list(request, found[::-1], sortable=_SORTABLE, default="version", shape=_shaper(request, app))


@routes.get("/apps/{app}/releases/{release}")
async def show(request: web.Request) -> web.Response:
    """One release, by id, by version (`7` or `v7`), or `current`."""
    context, app = context_of(request), app_for(request)
    return answer(_shaper(request, app)(context.ledger.releases.find(app.id, request.match_info["release"])))


@routes.get("/apps/{app}/releases/{release}/output")
async def output(request: web.Request) -> web.Response:
    """What the release phase printed, as text."""
    context, app = context_of(request), app_for(request)
    release = context.ledger.releases.find(app.id, request.match_info["release"])
    return output_of(context, app, release)


def output_of(context: Context, app: App, release: Release) -> web.Response:
    """What a release phase printed, as an answer. Raises NotFound if there was none."""
    pieces = context.ledger.releases.outputs(app.id, release.version)
    if not pieces:
        raise NotFound(f"v{release.version} of {app.name} has no release output: it had no release process to run.")
    return web.Response(text="".join(piece.text for piece in pieces), content_type="text/plain", charset="utf-8")


@routes.post("/apps/{app}/releases")
async def create(request: web.Request) -> web.Response:
    """Roll back: a new release with the slug and the config vars of an older one, `release`. Or release a `slug` of the
    app once more, with the config vars of now, when its release command has run.

    Rolling back to the code that runs already, the stack's version of that release is taken back too; else its patches
    stay.
    """
    context, app, user = context_of(request), app_for(request, Right.DEPLOY), user_of(request)
    body = await body_of(request)
    if slug_id := optional_text(body, "slug"):
        return await _release_slug(request, app, slug_id, optional_text(body, "description"))
    if body.get("release") is None:
        raise Invalid("The field release is missing: the version or id of the release to go back to.")
    old = context.ledger.releases.find(app.id, str(body["release"]))
    _check_rollback(context, app, old)
    release = await context.deploys.release(
        app,
        user=user,
        description=optional_text(body, "description") or f"Rollback to v{old.version}",
        config=old.config,
        slug_id=old.slug_id,
        stack=old.stack if old.slug_id == context.ledger.releases.current(app.id).slug_id else None,
    )
    return answer(_shaper(request, app)(release), 201, release=release)


@routes.get("/hostd/releases/verify")
async def verify(request: web.Request) -> web.Response:
    """Check the hash chain of every app's releases."""
    admin_of(request)
    ledger = context_of(request).ledger
    problems = [str(problem) for problem in ledger.releases.verify()]
    return answer({"ok": not problems, "problems": problems})


async def _release_slug(request: web.Request, app: App, slug_id: str, description: str | None) -> web.Response:
    context = context_of(request)
    if draft := context.slug_drafts.get(app, slug_id):
        release = await context.deploys.release_draft(
            app,
            draft,
            lambda: context.slug_drafts.open(app, draft),
            user=user_of(request),
            description=description or f"Deploy {draft.what}",
        )
        context.slug_drafts.discard(draft)
        return answer(_shaper(request, app)(release), 201, release=release)
    slug = next((slug for slug in context.ledger.slugs.list(app.id) if slug.id == slug_id), None)
    if slug is None or slug.id not in _kept(context, app):
        raise NotFound(
            f"{app.name} has no slug {slug_id[:60]!r}. Its slugs: hostctl slugs -a {app.name}", resource="slug"
        )
    description = description or f"Deploy {slug.commit[:7] or slug.id[:8]}"
    release = await context.deploys.release_slug(app, slug, user=user_of(request), description=description)
    return answer(_shaper(request, app)(release), 201, release=release)


_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SORTABLE: dict[str, Callable[[Release], str | int]] = {
    "version": lambda release: release.version,
    "id": lambda release: release.id,
}


def _check_rollback(context: Context, app: App, old: Release) -> None:
    if old.version == context.ledger.releases.current(app.id).version:
        raise Invalid(f"v{old.version} is the current release of {app.name} already.")
    if old.slug_id is None:
        raise Invalid(f"v{old.version} of {app.name} has no slug: nothing had been deployed yet.")
    if old.slug_id not in _kept(context, app):
        slug = context.ledger.slugs.get(old.slug_id)
        why = (
            "its files are not in the pool any more"
            if slug.dropped_at is None
            else f"those of the last {context.settings.kept_slugs} releases are kept"
        )
        raise Invalid(f"The slug of v{old.version} is gone: {why}. {_again(slug)}")


def _again(slug: Slug) -> str:
    """How to have the slug once more."""
    if _COMMIT.fullmatch(slug.commit):
        return f"Push its commit again: git push --force REMOTE {slug.commit[:7]}:main"
    return f"Deploy {slug.commit or 'its source'} again: hostctl deploy"


def _kept(context: Context, app: App) -> set[str]:
    return {slug.id for slug in context.ledger.slugs.list(app.id) if context.pool.has_slug(slug.id)}


def _shaper(request: web.Request, app: App) -> Callable[[Release], dict[str, Any]]:
    context = context_of(request)
    releases, kept = context.ledger.releases, _kept(context, app)
    current, with_output = releases.current(app.id).version, releases.with_output(app.id)

    def shape(release: Release) -> dict[str, Any]:
        said = release.id in with_output
        output = signed.address(request, signed.Kind.RELEASE, app.id, release.id) if said else None
        return release_json(app, release, current=current, kept_slugs=kept, output=output)

    return shape
