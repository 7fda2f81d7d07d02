"""Scheduled jobs: what is run when, and how it went."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

from aiohttp import web

from hostd import sizes
from hostd.api.dynos import command_field
from hostd.api.identity import known_owner
from hostd.api.requests import answer, app_for, body_of, context_of, flag_field, optional_text, text_field, user_of
from hostd.api.shapes import job_json, run_json
from hostd.context import Context
from hostd.errors import Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.database import utc_now
from hostd.ledger.jobs import CatchUp, Job
from hostd.scheduler.calendar import parse

routes = web.RouteTableDef()

_SHOWN_MOMENTS = 3


@routes.get("/hostd/apps/{app}/jobs")
async def index(request: web.Request) -> web.Response:
    """The app's jobs by their numbers, each with its last run."""
    context, app = context_of(request), app_for(request)
    return answer([_json(context, app, job, 1) for job in context.ledger.jobs.list(app.id)])


@routes.post("/hostd/apps/{app}/jobs")
async def create(request: web.Request) -> web.Response:
    """Schedule a command: `{"command", "every", "timezone"?, "size"?, "catch_up"?}`."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), known_owner(user_of(request))
    body = await body_of(request)
    every, timezone = text_field(body, "every"), optional_text(body, "timezone") or "UTC"
    parse(every, timezone)
    job = context.ledger.jobs.add(
        app.id,
        command=command_field(body),
        every=every,
        timezone=timezone,
        size=context.capacity.fitting(optional_text(body, "size") or sizes.DEFAULT, "a job"),
        catch_up=_catch_up(optional_text(body, "catch_up")),
        most=context.settings.jobs_per_app,
    )
    context.events.api(app, f"Schedule job {job.number} (`{job.command}`, {every} {timezone}) by {user.email}")
    context.scheduler.nudge()
    return answer(_json(context, app, job, 1), 201)


@routes.get("/hostd/apps/{app}/jobs/{job}")
async def show(request: web.Request) -> web.Response:
    """One job with all its runs that are remembered."""
    context, app = context_of(request), app_for(request)
    return answer(_json(context, app, _job(request, app)))


@routes.patch("/hostd/apps/{app}/jobs/{job}")
async def update(request: web.Request) -> web.Response:
    """Pause or resume a job: `{"paused": true or false}`."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    job = _job(request, app)
    paused = flag_field(body, "paused")
    change = context.ledger.jobs.pause if paused else context.ledger.jobs.resume
    job = change(app.id, job.number)
    context.events.api(app, f"{'Pause' if paused else 'Resume'} job {job.number} by {user.email}")
    context.scheduler.nudge()
    return answer(_json(context, app, job, 1))


@routes.delete("/hostd/apps/{app}/jobs/{job}")
async def remove(request: web.Request) -> web.Response:
    """Remove a job with the record of its runs; one that goes on is left alone."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    shown = _json(context, app, _job(request, app), 1)
    job = context.ledger.jobs.remove(app.id, shown["number"])
    context.events.api(app, f"Remove job {job.number} (`{job.command}`) by {user.email}")
    context.scheduler.nudge()
    return answer(shown)


@routes.post("/hostd/apps/{app}/jobs/{job}/runs")
async def run(request: web.Request) -> web.Response:
    """Run a job now, paused or not; answers when its dyno has started."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), known_owner(user_of(request))
    return answer(run_json(await context.scheduler.run_now(app, _job(request, app), user)), 201)


def _job(request: web.Request, app: App) -> Job:
    number = request.match_info["job"]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise NotFound(f"There is no job {number[:40]!r}: jobs have numbers. See: hostctl schedule -a {app.name}")
    return context_of(request).ledger.jobs.get(app.id, int(number))


def _catch_up(text: str | None) -> CatchUp:
    match text:
        case None | "one":
            return "one"
        case "none":
            return "none"
    raise Invalid(f"catch_up must be none or one, not {text[:40]!r}.")


def _json(context: Context, app: App, job: Job, runs: int | None = None) -> dict[str, Any]:
    ledger = context.ledger
    shown = ledger.job_runs.list(job.id) if runs is None else ledger.job_runs.list(job.id, runs)
    return job_json(app, job, runs=shown, next_runs=_next_runs(job))


def _next_runs(job: Job) -> list[datetime]:
    if job.paused_at is not None:
        return []
    after = max(job.settled_at, utc_now())
    return list(itertools.islice(parse(job.every, job.timezone).after(after), _SHOWN_MOMENTS))
