"""Requests made up from /openapi.json by schemathesis, at the loopback door, for admins too: no answer is a fault of
hostd's, and each is as promised. At a real platform: tests/box/test_api_fuzzed.py."""

import asyncio
import time

import pytest
from aiohttp import web
from api_fakes import running_api

from hostd.api.limits import Quota
from hostd.api.requests import QUOTA, context_of
from tests.support.fuzzing import SECONDS, Scene, fuzz
from tests.unit.daemon_fakes import dyno

SEED = 7
ABSENT = ("/hostd/doors", "/hostd/signed/logs")
"""What needs more than there is around this API: the logplex, and files of an installation."""
TURNS = ["admin", "owner", "admin", "other", "admin", "nobody"]
NAMED = {
    "app": "hello", "build": "current", "buildpack": "heroku%2Fpython", "dyno": "web.1",
    "feature": "session-affinity", "region": "local", "release": "current", "size": "eco", "slug": "current",
    "stack": "host", "type": "web", "user": "ann@example.com", "alert": "1", "job": "1",
}  # fmt: skip
"""What there is, by the parameters of paths. With all of them handlers are reached; else most are found missing."""


def prepare(application):
    """Let there always be an app and a user, however often they are removed, and allow any number of calls."""

    @web.middleware
    async def stand(request, handler):
        ledger = context_of(request).ledger
        if "ann@example.com" not in {user.email for user in ledger.users.list()}:
            ledger.users.add("ann@example.com")
        if "hello" not in {app.name for app in ledger.apps.list()}:
            app = ledger.apps.create("hello", ledger.users.first_admin().id)
            slug = ledger.slugs.add(
                app.id, commit="1" * 40, size_bytes=1, process_types={"web": "serve"}, buildpack="Python",
                stack="host", digest="d" * 64, checks={},
            )  # fmt: skip
            ledger.formation.adopt(app.id, slug.process_types)
            admin = ledger.users.first_admin()
            ledger.releases.append(app.id, slug_id=slug.id, config={}, description="Deploy", user=admin)
            ledger.builds.start(app.id, admin.id, "1" * 40)
            ledger.jobs.add(app.id, command="tidy", every="10m", timezone="UTC", size="eco", catch_up="one", most=9)
            ledger.alerts.add(app.id, condition="web p95 above 0.5s", targets=[], most=9)
            context_of(request).manager.running.append(dyno(app, "web", 1, version=2))
        return await handler(request)

    application.middlewares.insert(0, stand)
    application[QUOTA] = Quota(time.monotonic, calls=10**9)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("named", "phases"),
    [(NAMED, "examples,coverage"), ({"app": "hello"}, "fuzzing")],
    ids=["what there is, at its bounds", "anything, by chance"],
)
async def test_no_request_made_from_the_schema_is_answered_with_a_fault(tmp_path, named, phases):
    (tmp_path / "api").mkdir()
    began, seed = time.monotonic(), SEED
    async with running_api(tmp_path / "api", change=prepare) as api:
        tokens = {"admin": api.token("kate"), "owner": api.token("you"), "other": api.token("ann"), "nobody": None}
        scene = Scene(api.door, tokens, TURNS, named, without=ABSENT)
        asked = await asyncio.to_thread(fuzz, tmp_path / "first", scene, phases=phases, seed=seed)
        while time.monotonic() - began < SECONDS / 2:
            seed += 1
            folder = tmp_path / f"seed-{seed}"
            await asyncio.to_thread(fuzz, folder, scene, phases="fuzzing", seed=seed, examples=10)
    assert not asked.never(but=("/openapi.json", *ABSENT))
    assert len(asked.done()) > (100 if named is NAMED else 20)
    assert asked.statuses("admin") >= {200, 201, 404} and 401 in asked.statuses("nobody")
    assert {403, 404} <= asked.statuses("other") | asked.statuses("owner")
