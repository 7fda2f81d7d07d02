"""Sleep by the API, and what wakes an app."""

from api_fakes import running_api
from daemon_fakes import dyno

IDLE = "/hostd/apps/hello/idle"


async def test_an_app_is_let_sleep_and_kept_awake(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", IDLE)).data == {"after": None, "asleep_since": None}
        assert (await api("PATCH", IDLE, {"after": 1800})).data == {"after": 1800, "asleep_since": None}
        assert api.log[-1] == "heroku[api]: Set idling to 1800 seconds by you@example.com"
        assert api.sleeper.nudges == 1 and api.sleeper.woken == []
        api.ledger.idling.begin(app.id, 1)
        assert (await api("GET", IDLE)).data["asleep_since"].endswith("Z")
        assert (await api("PATCH", IDLE, {"after": None})).data == {"after": None, "asleep_since": None}
        assert api.log[-1] == "heroku[api]: Set idling to off by you@example.com"
        assert api.sleeper.woken == [app.id]
        for body, status in (({}, 422), ({"after": "30m"}, 422), ({"after": True}, 422), ({"after": 0}, 422)):
            assert (await api("PATCH", IDLE, body)).status == status
        assert (await api("PATCH", IDLE, {"after": 86401})).status == 422
        api.user = "ann@example.com"
        assert (await api("PATCH", IDLE, {"after": 60})).status == 404


async def test_an_older_release_that_slept_is_not_asleep_now(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        await api("PATCH", IDLE, {"after": 1800})
        api.ledger.idling.begin(app.id, 1)
        api.deployed(app)
        assert (await api("GET", IDLE)).data == {"after": 1800, "asleep_since": None}


async def test_restarting_and_scaling_wake_an_app(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        api.manager.running = [dyno(app, "web", 1)]
        assert (await api("DELETE", "/apps/hello/dynos")).status == 202
        assert (await api("DELETE", "/apps/hello/dynos/web.1")).status == 202
        assert (await api("PATCH", "/apps/hello/formation/web", {"quantity": 2})).status == 200
        assert api.sleeper.woken == [app.id] * 3
