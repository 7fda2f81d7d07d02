"""Slugs and build caches: what there is, what it takes, slugs as tarballs, and the clean-up."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from aiohttp import web

from buildpacks.procfile import is_command
from hostd.api.apps import stack_named
from hostd.api.deploys import version
from hostd.api.requests import (
    admin_of,
    answer,
    answer_list,
    app_for,
    body_of,
    by_fields,
    context_of,
    optional_text,
    user_of,
)
from hostd.api.shapes import app_ref, moment, stack_ref
from hostd.api.signed import here
from hostd.code_stores import Usage
from hostd.context import Context
from hostd.deploys.slug_drafts import SlugDraft
from hostd.errors import HostdError, Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.slugs import Slug
from hostd.names import process_type

routes = web.RouteTableDef()

SHORTEST = 4
"""Characters of an id that must be given."""

_CHECKSUM = re.compile(r"(?i:sha256):[0-9a-fA-F]{64}")


@routes.get("/apps/{app}/slugs")
async def index(request: web.Request) -> web.Response:
    """The app's slugs that are kept, newest first."""
    context, app = context_of(request), app_for(request)
    versions = context.ledger.slugs.versions(app.id)
    current = context.ledger.releases.current(app.id).slug_id
    slugs = context.ledger.slugs.list(app.id)
    found = [slug_json(request, app, slug, versions.get(slug.id, []), current) for slug in slugs]
    return answer_list(request, found, sortable=by_fields("id", "created_at"), default="id")


@routes.post("/apps/{app}/slugs")
async def create(request: web.Request) -> web.Response:
    """Announce a slug that was built elsewhere: PUT its .tgz, with all files below `./app`, to the `url` of its blob,
    then release it. Both within an hour, or it is forgotten.
    """
    context, app = context_of(request), app_for(request, Right.DEPLOY)
    body = await body_of(request)
    draft = context.slug_drafts.create(
        app,
        commands(body["process_types"]),
        stack_named(context, optional_text(body, "stack") or app.stack),
        buildpack=version(optional_text(body, "buildpack_provided_description")),
        checksum=checksum(optional_text(body, "checksum")),
        commit=version(optional_text(body, "commit")),
        commit_description=version(optional_text(body, "commit_description")) or None,
    )
    return answer(draft_json(request, draft), 201)


@routes.get("/apps/{app}/slugs/{slug}")
async def show(request: web.Request) -> web.Response:
    """One slug, by its id or the beginning of it, by a release (`v7`), or `current`."""
    draft = context_of(request).slug_drafts.get(app_for(request), request.match_info["slug"])
    if draft is not None:
        return answer(draft_json(request, draft))
    context, app, slug = _named(request)
    versions = context.ledger.slugs.versions(app.id).get(slug.id, [])
    current = context.ledger.releases.current(app.id).slug_id
    return answer(slug_json(request, app, slug, versions, current))


@routes.get("/hostd/apps/{app}/slugs/{slug}/usage")
async def usage(request: web.Request) -> web.Response:
    """What the slug takes on disk, measured now; null when its files are gone or that takes too long."""
    context, _, slug = _named(request)
    return answer(usage_json(await context.slug_store.usage(slug)))


@routes.get("/hostd/apps/{app}/slugs/{slug}/tarball")
async def export(request: web.Request) -> web.StreamResponse:
    """The slug's files as a tar archive. A connection that breaks off without the last chunk says that it failed."""
    # What was compiled may hold config vars that the build has read: more than the code, which all may fetch.
    context, app, slug = _named(request, Right.DEPLOY, Right.OPERATE)
    pieces = context.slug_store.export(app, slug)
    # The first piece before the first header: until then, a failure is an answer like any other.
    first = await anext(pieces, b"")
    response = web.StreamResponse(headers={"Content-Type": "application/x-tar"})
    await response.prepare(request)
    try:
        await _send(response, first, pieces)
    except HostdError:
        if request.transport is not None:
            request.transport.abort()
    return response


@routes.get("/hostd/apps/{app}/cache")
async def cache(request: web.Request) -> web.Response:
    """What the app's build cache takes on disk, measured now; null without one."""
    context, app = context_of(request), app_for(request)
    return answer({"app": app_ref(app), "usage": usage_json(await context.slug_store.cache_usage(app))})


@routes.delete("/hostd/apps/{app}/cache")
@routes.delete("/apps/{app}/build-cache")
async def purge(request: web.Request) -> web.Response:
    """Throw the app's build cache away."""
    context, app = context_of(request), app_for(request, Right.DEPLOY)
    purged = context.slug_store.purge_cache(app)
    if purged:
        context.events.api(app, f"Purge the build cache by {user_of(request).email}")
    return answer({"app": app_ref(app), "purged": purged})


@routes.get("/hostd/slugs/garbage")
async def garbage(request: web.Request) -> web.Response:
    """What the next clean-up deletes."""
    admin_of(request)
    context = context_of(request)
    return answer(_garbage_json(context, context.slug_store.surplus()))


@routes.delete("/hostd/slugs/garbage")
async def collect(request: web.Request) -> web.Response:
    """Clean up now; what was deleted."""
    admin_of(request)
    context = context_of(request)
    return answer(_garbage_json(context, await context.slug_store.collect()))


def slug_json(
    request: web.Request, app: App, slug: Slug, versions: Sequence[int], current: str | None
) -> dict[str, Any]:
    """A slug; `versions` are the releases that name it. What Heroku has no field for is under `extended`."""
    created = moment(slug.created_at)
    return {
        "blob": {"method": "get", "url": here(request, f"/hostd/apps/{app.id}/slugs/{slug.id}/tarball")},
        "buildpack_provided_description": slug.buildpack,
        "checksum": slug.digest,
        "commit": slug.commit,
        "commit_description": None,
        "created_at": created,
        "deleted_at": moment(slug.dropped_at),
        "extended": {
            "buildpacks": slug.buildpacks,
            "current": slug.id == current,
            "dropped_at": moment(slug.dropped_at),
            "files": slug.files,
            "releases": versions,
            "stack_version": slug.stack_version,
            "stored": context_of(request).pool.has_slug(slug.id),
        },
        "id": slug.id,
        "process_types": slug.process_types,
        "size": slug.size_bytes,
        "stack": stack_ref(slug.stack),
        "updated_at": created,
    }


def draft_json(request: web.Request, draft: SlugDraft) -> dict[str, Any]:
    """A slug that waits for its upload and its first release. Its blob is where it is uploaded to."""
    created = moment(draft.created_at)
    return {
        "blob": {"method": "put", "url": here(request, f"/hostd/sources/{draft.id}")},
        "buildpack_provided_description": draft.buildpack or None,
        "checksum": draft.checksum,
        "commit": draft.commit or None,
        "commit_description": draft.commit_description,
        "created_at": created,
        "deleted_at": None,
        "extended": {
            "buildpacks": [],
            "current": False,
            "dropped_at": None,
            "files": None,
            "releases": [],
            "stack_version": None,
            "stored": False,
        },
        "id": draft.id,
        "process_types": dict(draft.process_types),
        "size": None,
        "stack": stack_ref(draft.stack),
        "updated_at": created,
    }


def commands(process_types: Mapping[str, str]) -> dict[str, str]:
    """The commands by process type, if they can be those of a slug; otherwise Invalid."""
    for type_, command in process_types.items():
        process_type(type_)
        if not is_command(command):
            raise Invalid(f"The command of {type_} must be one line of text, without control characters.")
    return {type_: command.strip() for type_, command in process_types.items()}


def checksum(text: str | None) -> str | None:
    """The checksum of an upload, if it is one; otherwise Invalid."""
    if text is not None and not _CHECKSUM.fullmatch(text):
        raise Invalid("A checksum is written SHA256: and 64 hexadecimal digits, those that sha256sum prints.")
    return text


def usage_json(usage: Usage | None) -> dict[str, int] | None:
    """What something takes on disk: `exclusive` bytes come free when it is deleted, `shared` ones do not."""
    if usage is None:
        return None
    return {
        "exclusive": usage.exclusive_bytes,
        "shared": usage.total_bytes - usage.exclusive_bytes,
        "total": usage.total_bytes,
    }


def _garbage_json(context: Context, slugs: list[Slug]) -> list[dict[str, Any]]:
    names = {app.id: app.name for app in context.ledger.apps.list()}
    return [
        {
            "app": {"id": slug.app_id, "name": names.get(slug.app_id)},
            "commit": slug.commit,
            "created_at": moment(slug.created_at),
            "id": slug.id,
            "releases": context.ledger.slugs.versions(slug.app_id).get(slug.id, []),
            "size": slug.size_bytes,
        }
        for slug in slugs
    ]


async def _send(response: web.StreamResponse, first: bytes, pieces: AsyncGenerator[bytes, None]) -> None:
    async with aclosing(pieces):
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()


def _named(request: web.Request, right: Right = Right.VIEW, *or_rights: Right) -> tuple[Context, App, Slug]:
    """The slug that the path names, if it is one of the app's, and the user has one of the rights on that."""
    context, app = context_of(request), app_for(request, right, *or_rights)
    reference = request.match_info["slug"]
    if reference == "current" or (reference.removeprefix("v").isdecimal() and len(reference) < SHORTEST + 4):
        release = context.ledger.releases.find(app.id, reference)
        if release.slug_id is None:
            raise NotFound(f"v{release.version} of {app.name} has no slug: nothing had been deployed yet.")
        return context, app, context.ledger.slugs.get(release.slug_id)
    found = context.ledger.slugs.find(app.id, reference) if len(reference) >= SHORTEST else []
    if len(found) != 1:
        why = "several slugs have ids that begin so" if found else "no slug of that id"
        raise NotFound(f"{app.name} has {why}: {reference[:60]!r}. Its slugs: hostctl slugs -a {app.name}")
    return context, app, found[0]
