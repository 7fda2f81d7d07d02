"""Metrics by the API: of one app, of all, what dynos use now, and Prometheus' text as its own parser reads it."""

import time

import pytest
from api_fakes import running_api
from prometheus_client.parser import text_string_to_metric_families

from hostd.manager.dyno import DynoState
from hostd.manager.load import Load
from hostd.manager.reading import Reading, Run
from hostd.metrics.points import Points
from tests.unit.daemon_fakes import dyno
from tests.unit.metrics_kit import crash, traffic, used
from units.cgroups import Usage

MIB = 1 << 20


def filled(api, app):
    """An app of which two minutes are known, an hour ago."""
    at = int(time.time()) // 3600 * 3600 - 3600
    api.metrics.store.write(
        Points(
            [used(at, app.id, megabytes=300), used(at, app.id, "worker.1", 100, cpu=6000)],
            [traffic(at, app.id, good=8, bad=2), traffic(at + 60, app.id, good=5), traffic(at, app.id, "", 0, 1)],
            [crash(at, app.id), crash(at, app.id, what="R14", times=3), crash(at, app.id, "", "H12", 2)],
            {at, at + 60, at + 120},
        ),
        int(time.time()),
    )
    return at


async def test_an_app_s_metrics(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        at = filled(api, app)
        found = (await api("GET", f"/apps/hello/metrics?since={at - 60}&until={at + 179}")).data
        assert (found["app"]["name"], found["step"], found["at"]) == ("hello", 60, [at - 60 + 60 * n for n in range(4)])
        assert found["metrics"]["requests"] == [None, 11, 5, 0]
        assert found["metrics"]["errors"] == [None, 3, 0, 0]
        assert found["metrics"]["memory"] == [None, 300, None, None]
        assert found["metrics"]["memory_quota"] == [None, 58.59, None, None]
        assert found["metrics"]["cpu"] == [None, 11.0, None, None]
        assert found["metrics"]["restarts"] == [None, 1, 0, 0]
        assert found["codes"] == {"H12": [None, 2, 0, 0], "R14": [None, 3, 0, 0]}
        assert [(each["name"], each["requests"], each["restarts"], each["codes"]) for each in found["dynos"]] == [
            ("web.1", 15, 1, {"R14": 3}), ("worker.1", 0, 0, {}),
        ]  # fmt: skip
        assert found["total"]["requests"] == 16
        assert found["releases"] == []


async def test_one_type_and_one_dyno(tmp_path):
    async with running_api(tmp_path) as api:
        at = filled(api, api.ledger.apps.create("hello", api.users["you"].id))
        window = f"since={at}&until={at + 60}"
        web = (await api("GET", f"/apps/hello/metrics?{window}&type=web")).data
        assert (web["metrics"]["requests"][0], web["metrics"]["memory"][0], list(web["codes"])) == (
            11, 300, ["H12", "R14"],
        )  # fmt: skip
        worker = (await api("GET", f"/apps/hello/metrics?{window}&type=worker")).data
        assert (worker["metrics"]["requests"][0], worker["metrics"]["memory"][0]) == (0, 100)
        one = (await api("GET", f"/apps/hello/metrics?{window}&dyno=web.1")).data
        assert (one["metrics"]["requests"][0], list(one["codes"])) == (10, ["R14"])


@pytest.mark.parametrize("query", ["type=nothing", "dyno=web.99", "type=worker"])
async def test_a_dyno_of_which_nothing_is_known_is_said(tmp_path, query):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.metrics.store.write(Points([used(int(time.time()) // 60 * 60, app.id)]), int(time.time()))
        found = await api("GET", f"/apps/hello/metrics?{query}")
        assert (found.status, "hello has had no such dyno" in found.data["message"]) == (404, True)
        assert (await api("GET", "/apps/hello/metrics?type=web")).status == 200


async def test_dynos_are_in_the_order_of_their_numbers(tmp_path):
    async with running_api(tmp_path) as api:
        app, at = api.ledger.apps.create("hello", api.users["you"].id), int(time.time()) // 60 * 60
        names = ["web.10", "web.2", "run", "web.1"]
        api.metrics.store.write(Points([used(at, app.id, name) for name in names]), at + 1)
        found = (await api("GET", "/apps/hello/metrics")).data["dynos"]
        assert [each["name"] for each in found] == ["run", "web.1", "web.2", "web.10"]


async def test_longer_steps_and_releases(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        at = filled(api, app)
        api.deployed(app)
        found = (await api("GET", f"/apps/hello/metrics?since={at}&step=3600")).data
        assert found["at"][0] == at
        assert found["metrics"]["requests"][0] == 16
        assert [each["version"] for each in found["releases"]] == [1, 2]
        assert found["releases"][1]["user"] == {"email": "you@example.com"}
        assert (await api("GET", "/apps/hello/metrics")).data["step"] == 900


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("since=yesterday", 400),
        ("since=2026-13-01T00:00:00Z", 400),
        ("since=999999999999999999999", 400),
        ("since=0", 422),
        ("since=2000000000&until=1000000000", 422),
        ("until=9999999999", 422),
        ("step=0", 400),
        ("step=61", 400),
        ("step=420", 400),
        ("step=-60", 400),
        ("step=x", 400),
        ("since=1970-01-01T00:00:00Z&until=1970-01-02T00:00:00", 422),
    ],
)
async def test_what_makes_no_sense_is_refused(tmp_path, query, status):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", f"/apps/hello/metrics?{query}")).status == status


async def test_steps_that_are_too_short_are_refused(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        now = int(time.time())
        many = await api("GET", f"/apps/hello/metrics?since={now - 3 * 86400}&step=60")
        assert (many.status, "1500" in many.data["message"]) == (422, True)
        old = await api("GET", f"/apps/hello/metrics?since={now - 20 * 86400}&until={now - 20 * 86400 + 3600}&step=60")
        assert (old.status, "7 days" in old.data["message"]) == (422, True)
        fine = await api("GET", f"/apps/hello/metrics?since={now - 20 * 86400}&until={now - 20 * 86400 + 3600}")
        assert fine.data["step"] == 300


async def test_all_apps(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.ledger.apps.create("theirs", api.users["ann"].id)
        at = filled(api, app)
        api.manager.running = [dyno(app, "web", 1)]
        found = (await api("GET", f"/hostd/metrics/apps?since={at}")).data
        assert [(each["app"]["name"], each["dynos"], each["requests"], each["codes"]) for each in found] == [
            ("hello", 1, 16, {"H12": 2, "R14": 3}),
        ]  # fmt: skip
        api.user = "kate@example.com"
        names = [each["app"]["name"] for each in (await api("GET", "/hostd/metrics/apps")).data]
        assert names == ["hello", "theirs"]
        assert (await api("GET", f"/hostd/metrics/apps?since={at - 2 * 86400}")).status == 422


async def test_metrics_are_for_those_who_may_work_on_the_app(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("theirs", api.users["ann"].id)
        for target in ("/apps/theirs/metrics", "/hostd/apps/theirs/usage"):
            assert (await api("GET", target)).status == 404
        assert (await api("GET", "/apps/nothing/metrics")).status == 404
        assert (await api("GET", "/hostd/usage")).data == []


def running(api, app):
    """Two dynos, of which one is up; what that uses."""
    api.manager.running = [dyno(app, "web", 1), dyno(app, "web", 2, state=DynoState.CRASHED, unit="other")]
    usage = Usage(rss=64 * MIB, cache=MIB, shared=0, swap=0, cpu_seconds=12.5)
    reading = Reading(api.manager.running[0], Run("/g", "id"), usage, time.time(), 2.0, 0.5, Load(0.25, 0.1, 0.05))
    api.metrics.usage.readings[api.manager.running[0].unit] = reading


async def test_what_dynos_use_now(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        running(api, app)
        up, crashed = (await api("GET", "/hostd/apps/hello/usage")).data
        assert (up["name"], up["cpu"], up["memory"], up["quota"], up["memory_quota"], up["load"]) == (
            "web.1", 25.0, 64.0, 512, 12.5, [0.25, 0.1, 0.05],
        )  # fmt: skip
        assert (crashed["state"], crashed["cpu"], crashed["load"]) == ("crashed", None, None)
        assert (await api("GET", "/hostd/usage")).data == [up, crashed]


async def test_everything_for_prometheus(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        running(api, app)
        api.metrics._router.app = app.id
        api.metrics._router.count(40, bad=2, H12=1)
        api.metrics.tally.hear(app.id, "web.1", "Error R14 (Memory quota exceeded)")
        api.metrics.tally.hear(app.id, "web.2", "State changed from up to crashed")
        api.metrics.tally.hear("gone", "web.2", "State changed from up to crashed")
        refused = await api("GET", "/hostd/metrics")
        assert refused.status == 403
        api.user = "kate@example.com"
        answer = await api("GET", "/hostd/metrics")
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(answer.data.decode())}

    def values(name, sample=None):
        return {
            tuple(value for key, value in each.labels.items() if key != "app"): each.value
            for each in families[f"hostd_{name}"].samples
            if each.name == f"hostd_{sample or name}"
        }

    assert values("requests", "requests_total") == {("web.1", "2xx"): 40, ("web.1", "5xx"): 2}
    buckets = values("request_duration_seconds", "request_duration_seconds_bucket")
    assert (buckets["web.1", "0.0025"], buckets["web.1", "0.005"], buckets["web.1", "+Inf"]) == (0, 42, 42)
    assert values("request_duration_seconds", "request_duration_seconds_count") == {("web.1",): 42}
    assert values("codes", "codes_total") == {("", "H12"): 1, ("web.1", "R14"): 1}
    assert values("dyno_crashes", "dyno_crashes_total") == {("web.2",): 1}
    assert values("dyno_memory_bytes") == {("web.1",): 64 * MIB}
    assert values("dyno_load") == {("web.1", "1"): 0.25, ("web.1", "5"): 0.1, ("web.1", "15"): 0.05}
    assert values("dynos") == {("web", "up"): 1, ("web", "crashed"): 1}
    assert values("app_release") == {(): 2}
    assert values("requests_held") == {(): 3}
    assert {family.type for family in families.values()} == {"gauge", "counter", "histogram"}
    assert {"hostd_pool_free_bytes", "hostd_certificate_expiry_time_seconds", "hostd_store_bytes"} <= families.keys()


async def test_log_runtime_metrics_is_a_lab_feature(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        states = {each["name"]: each["state"] for each in (await api("GET", "/apps/hello/features")).data}
        assert states == {"session-affinity": "general", "log-runtime-metrics": "beta"}
        on = await api("PATCH", "/apps/hello/features/log-runtime-metrics", {"enabled": True})
        assert on.data["enabled"] is True
        assert api.log[-1] == "heroku[api]: Feature log-runtime-metrics enabled by you@example.com"
        assert ("route", app.id) in api.manager.calls
        assert (await api("GET", "/account/features")).data == []
        assert (await api("GET", "/account/features/log-runtime-metrics")).status == 404
