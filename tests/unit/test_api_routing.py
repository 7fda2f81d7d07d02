"""What an app wants of the router, by the API: masks, pauses, features."""

from datetime import timedelta

import pytest
from api_fakes import running_api

from hostd.ledger.database import utc_now
from hostd.manager.desired import desired_app
from hostd.settings import Settings
from tests.unit.daemon_fakes import FakeRouter, FakeUnit

ROUTING, FEATURES = "/hostd/apps/hello/routing", "/apps/hello/features"
AFFINITY = f"{FEATURES}/session-affinity"


def wanted(api, app):
    return desired_app(api.ledger, Settings(), app)


async def test_names_are_masked_and_shown(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", ROUTING)).data == {"masked": [], "paused_until": None}
        assert wanted(api, app).masked == ()
        changed = await api("PATCH", ROUTING, {"masked": ["token", "user[pass]", "token"]})
        assert changed.data["masked"] == ["token", "user[pass]"]
        assert wanted(api, app).masked == ("token", "user[pass]")
        assert api.manager.calls[-1] == ("route", app.id)
        assert api.log[-1] == (
            "heroku[api]: Keep the values of token, user[pass] out of the log by you@example.com"
        )
        assert (await api("PATCH", ROUTING, {"masked": []})).data["masked"] == []
        assert api.log[-1] == "heroku[api]: Log all of each query by you@example.com"


async def test_a_pause_begins_and_ends(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        before = utc_now()
        begun = (await api("PATCH", ROUTING, {"pause": 300})).data["paused_until"]
        assert begun.endswith("Z")
        until = wanted(api, app).paused_until
        assert before.timestamp() + 299 <= until <= utc_now().timestamp() + 300
        assert api.log[-1] == f"heroku[api]: Pause requests for 300 s, until {begun}, by you@example.com"
        assert (await api("PATCH", ROUTING, {"pause": None})).data["paused_until"] is None
        assert api.log[-1] == "heroku[api]: Resume requests by you@example.com"
        assert wanted(api, app).paused_until == 0
        assert api.manager.calls == [("route", app.id)] * 2


async def test_a_pause_whose_time_is_over_is_none(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.ledger.pauses.begin(app.id, utc_now() - timedelta(seconds=1))
        assert (await api("GET", ROUTING)).data["paused_until"] is None
        assert wanted(api, app).paused_until == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"other": 1}, 422),
        ({"masked": "token"}, 422),
        ({"masked": [""]}, 422),
        ({"masked": ["a&b"]}, 422),
        ({"masked": ["a%20b"]}, 422),
        ({"masked": ["x" * 65]}, 422),
        ({"masked": [f"n{number}" for number in range(51)]}, 422),
        ({"pause": "5m"}, 422),
        ({"pause": True}, 422),
        ({"pause": 0}, 422),
        ({"pause": 3601}, 422),
        ({"pause": 60, "masked": 7}, 422),
    ],
)
async def test_what_makes_no_sense_changes_nothing(tmp_path, body, status):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("PATCH", ROUTING, body)).status == status
        assert (await api("GET", ROUTING)).data == {"masked": [], "paused_until": None}


async def test_session_affinity_is_switched_on_and_off(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        other = api.ledger.apps.create("other", api.users["you"].id)
        listed, _ = (await api("GET", FEATURES)).data
        assert (listed["name"], listed["enabled"], listed["state"]) == ("session-affinity", False, "general")
        assert wanted(api, app).affinity == ""
        assert (await api("PATCH", AFFINITY, {"enabled": True})).data["enabled"] is True
        assert api.log[-1] == "heroku[api]: Feature session-affinity enabled by you@example.com"
        key = wanted(api, app).affinity
        assert len(bytes.fromhex(key)) == 32 and key not in repr(wanted(api, app))
        assert (await api("GET", f"{FEATURES}/{listed['id']}")).data["enabled"] is True
        said = len(api.log)
        assert (await api("PATCH", AFFINITY, {"enabled": True})).status == 200
        assert len(api.log) == said
        await api("PATCH", "/apps/other/features/session-affinity", {"enabled": True})
        assert wanted(api, other).affinity != key == wanted(api, app).affinity
        assert (await api("PATCH", AFFINITY, {"enabled": False})).data["enabled"] is False
        assert api.log[-1] == "heroku[api]: Feature session-affinity disabled by you@example.com"
        assert wanted(api, app).affinity == ""


async def test_features_that_are_not_there(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        for name, words in (("teleport", "There are: session-affinity"), ("preboot", "always on")):
            refused = await api("PATCH", f"{FEATURES}/{name}", {"enabled": True})
            assert refused.status == 404 and words in refused.data["message"]
        for body in ({}, {"enabled": "yes"}):
            assert (await api("PATCH", AFFINITY, body)).status == 422


async def test_nothing_is_left_of_a_destroyed_app(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        await api("PATCH", ROUTING, {"masked": ["token"], "pause": 60})
        await api("PATCH", AFFINITY, {"enabled": True})
        api.user = "ann@example.com"
        assert [(await api("GET", path)).status for path in (ROUTING, FEATURES)] == [404, 404]
        api.ledger.apps.destroy(app.id)
        assert api.ledger.masks.get(app.id) == () and api.ledger.pauses.until(app.id) is None
        assert not api.ledger.features.enabled(app.id)


async def test_it_is_said_how_the_workers_are(tmp_path):
    async with running_api(tmp_path) as api:
        first, second = (await api("GET", "/hostd/router")).data
        assert (first["worker"], first["answers"], first["sequence"], first["requests"]) == (1, True, 17, 3)
        assert second == {"worker": 2, "answers": False}


async def test_what_is_wrong_with_the_router_is_in_the_status(tmp_path, monkeypatch):
    async with running_api(tmp_path) as api:
        api.user = "kate@example.com"
        units = [FakeUnit(f"hostd-router@{number}.service") for number in (1, 2)]
        api.systemd.units = {"hostd-router@*.service": units}

        async def router():
            parts = (await api("GET", "/hostd/status")).data["components"]
            return next(part for part in parts if part["name"] == "router")

        assert (await router())["ok"]
        monkeypatch.setattr(FakeRouter, "wrong", ["Worker 1 has no route table.", "Worker 2 does not answer."])
        told = await router()
        assert (told["status"], told["detail"].partition(". ")[2]) == (
            "degraded", "Worker 1 has no route table. Worker 2 does not answer."
        )  # fmt: skip
