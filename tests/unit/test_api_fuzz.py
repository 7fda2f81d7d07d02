"""Requests made up from /openapi.json by schemathesis, at the loopback door: no answer is a fault of hostd's, and each
is as promised."""

import asyncio
import os
import sys
import time
from collections import Counter, defaultdict

import pytest
from aiohttp import web
from api_fakes import running_api

from hostd.api.limits import Quota
from hostd.api.requests import QUOTA, context_of, link_for
from tests.unit.daemon_fakes import dyno

# The whole of it; set it higher to look for longer.
SECONDS = int(os.environ.get("HOSTD_TEST_FUZZ_SECONDS", "60"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
NAMED = {
    "app": "hello", "build": "current", "buildpack": "heroku/python", "dyno": "web.1",
    "feature": "session-affinity", "region": "local", "release": "current", "size": "eco", "slug": "current",
    "stack": "host", "type": "web", "user": "ann@example.com", "alert": "1", "job": "1",
}  # fmt: skip
"""What there is, by the parameters of paths. With all of them handlers are reached; else most are found missing."""


def prepare(application, answered):
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
        response = await handler(request)
        if (link := link_for(request)) is not None:
            answered[link.call][response.status // 100] += 1
        return response

    application.middlewares.insert(0, stand)
    application[QUOTA] = Quota(time.monotonic, calls=10**9)


@pytest.mark.thorough
@pytest.mark.parametrize("named", [NAMED, {"app": "hello"}], ids=["what there is", "anything"])
async def test_no_request_made_from_the_schema_is_answered_with_a_fault(tmp_path, named):
    (tmp_path / "api").mkdir()
    answered = defaultdict(Counter)
    async with running_api(tmp_path / "api", change=lambda application: prepare(application, answered)) as api:
        (tmp_path / "schemathesis.toml").write_text(
            "[parameters]\n" + "".join(f'"path.{name}" = "{value}"\n' for name, value in named.items())
        )
        words = ("run", f"{api.door}/openapi.json", "--checks", CHECKS, "--max-time", str(max(1, SECONDS // 2)),
                 "--no-shrink", "--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--warnings", "off",
                 "--suppress-health-check", "all", "--continue-on-failure",
                 "-H", f"Authorization: Bearer {api.token('kate')}")  # fmt: skip
        fuzzer = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", *words,
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said = (await fuzzer.communicate())[0].decode()
    assert fuzzer.returncode == 0, said[-20_000:]
    # How many calls it comes to in its time is the machine's affair; that some are carried out is not.
    assert any(classes[2] for classes in answered.values()), answered
