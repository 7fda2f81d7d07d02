"""Scheduled jobs by the API."""

from datetime import UTC, datetime

import pytest
from api_fakes import running_api

JOBS = "/hostd/apps/hello/jobs"
CLEAN = {"command": "rake clean", "every": "10m"}


async def test_a_job_from_its_beginning_to_its_end(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        made = await api("POST", JOBS, CLEAN)
        assert made.status == 201
        assert made.data | {"app": 0, "id": 0, "created_at": 0, "next_runs": 0} == {
            "app": 0,
            "catch_up": "one",
            "command": "rake clean",
            "created_at": 0,
            "every": "10m",
            "id": 0,
            "next_runs": 0,
            "number": 1,
            "paused": False,
            "runs": [],
            "size": "Standard-1X",
            "timezone": "UTC",
        }
        assert made.data["app"] == {"id": app.id, "name": "hello"}
        assert [moment[-5:] for moment in made.data["next_runs"]] == ["0:00Z"] * 3
        assert api.log[-1] == "heroku[api]: Schedule job 1 (`rake clean`, 10m UTC) by you@example.com"
        assert api.scheduler.nudges == 1
        assert (await api("GET", JOBS)).data == [made.data]
        assert (await api("GET", f"{JOBS}/1")).data == made.data
        assert (await api("DELETE", f"{JOBS}/1")).data == made.data
        assert api.log[-1] == "heroku[api]: Remove job 1 (`rake clean`) by you@example.com"
        assert api.scheduler.nudges == 2
        assert (await api("GET", JOBS)).data == []
        assert (await api("GET", f"{JOBS}/1")).status == (await api("DELETE", f"{JOBS}/1")).status == 404


async def test_a_job_has_a_time_zone_a_size_and_a_rule_for_what_was_missed(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        more = {"timezone": "Asia/Kathmandu", "size": "Standard-2X", "catch_up": "none", "every": "daily@04:30"}
        made = await api("POST", JOBS, CLEAN | more)
        assert {key: made.data[key] for key in more} == more
        assert [moment[-10:] for moment in made.data["next_runs"]] == ["T22:45:00Z"] * 3


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "command"),
        ({"every": "10m"}, 422, "command"),
        ({"command": " ", "every": "10m"}, 422, "command"),
        ({"command": "x\0", "every": "10m"}, 422, "NUL"),
        (CLEAN | {"every": "5s"}, 422, "must be 1m to 24h"),
        (CLEAN | {"every": "now and then"}, 422, "does not say when to run"),
        (CLEAN | {"every": 10}, 422, "every"),
        (CLEAN | {"timezone": "Europe/Belin"}, 422, "Did you mean Europe/Berlin?"),
        (CLEAN | {"size": "huge"}, 422, "There is no dyno size"),
        (CLEAN | {"size": "25G"}, 422, "this machine has 24G. Use a smaller size for a job."),
        (CLEAN | {"catch_up": "all"}, 422, "must be none or one"),
    ],
)
async def test_what_makes_no_job(tmp_path, body, status, said):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        refused = await api("POST", JOBS, body)
        assert refused.status == status and said in refused.data["message"]
        assert (await api("GET", JOBS)).data == [] and api.scheduler.nudges == 0


async def test_a_job_is_paused_and_resumed(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", JOBS, CLEAN)
        paused = await api("PATCH", f"{JOBS}/1", {"paused": True})
        assert (paused.data["paused"], paused.data["next_runs"]) == (True, [])
        assert api.log[-1] == "heroku[api]: Pause job 1 by you@example.com"
        resumed = await api("PATCH", f"{JOBS}/1", {"paused": False})
        assert resumed.data["paused"] is False and len(resumed.data["next_runs"]) == 3
        for bad in ({}, {"paused": "yes"}, {"paused": True, "every": "1m"}, {"every": "1m"}):
            assert (await api("PATCH", f"{JOBS}/1", bad)).status == 422
        for missing in ("2", "one", "0", "9" * 40, "²"):
            assert (await api("PATCH", f"{JOBS}/{missing}", {"paused": True})).status == 404


async def test_a_job_is_run_by_hand_and_its_runs_are_shown(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", JOBS, CLEAN)
        run = await api("POST", f"{JOBS}/1/runs")
        assert run.status == 201
        assert run.data | {"started_at": 0} == {
            "due_at": None,
            "dyno": "scheduler.1234",
            "ended_at": None,
            "exit_status": None,
            "reason": None,
            "started_at": 0,
            "status": "running",
        }
        again = await api("POST", f"{JOBS}/1/runs")
        assert again.status == 409 and "scheduler.1234" in again.data["message"]
        runs = api.ledger.job_runs
        runs.end(runs.of_dyno(app.id, "scheduler.1234"), 3, "exit status 3")
        job = api.ledger.jobs.get(app.id, 1)
        runs.end(runs.begin(job.id, datetime(2026, 11, 23, 10, tzinfo=UTC)), 0, "exit status 0")
        shown = (await api("GET", f"{JOBS}/1")).data["runs"]
        assert [(run["status"], run["exit_status"], run["due_at"]) for run in shown] == [
            ("succeeded", 0, "2026-11-23T10:00:00Z"),
            ("failed", 3, None),
        ]
        assert (await api("GET", JOBS)).data[0]["runs"] == shown[:1]


async def test_jobs_are_for_those_who_work_on_the_app(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", JOBS, CLEAN)
        api.user = "ann@example.com"
        for call in ("GET ", "POST ", "GET /1", "PATCH /1", "DELETE /1", "POST /1/runs"):
            method, _, path = call.partition(" ")
            assert (await api(method, JOBS + path, CLEAN)).status == 404
        api.ledger.access.add(app.id, "ann@example.com")
        assert (await api("POST", f"{JOBS}/1/runs")).status == 201
        assert (await api("DELETE", f"{JOBS}/1")).status == 200


async def test_an_app_has_only_so_many_jobs(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        made = [await api("POST", JOBS, CLEAN) for _ in range(51)]
        assert [answer.status for answer in made] == [201] * 50 + [422]
        assert "50 jobs" in made[-1].data["message"]


async def test_the_scheduler_hears_of_a_new_name_and_of_the_end(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        await api("PATCH", "/apps/hello", {"name": "goodbye"})
        assert api.scheduler.nudges == 1
        await api("DELETE", "/apps/goodbye")
        assert api.scheduler.nudges == 2
