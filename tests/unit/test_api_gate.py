"""The access gate by the API, and what the router is told of it."""

import pytest
from api_fakes import running_api

from hostd.manager.desired import desired_app
from hostd.settings import Settings
from router.passwords import matches

pytestmark = pytest.mark.usefixtures("cheap_hashes")

GATE = "/hostd/apps/hello/gate"
OPEN = {"closed": False, "networks": [], "users": []}


async def test_users_and_networks_are_let_in_and_removed(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", GATE)).data == OPEN
        body = {"user": {"name": "kate", "password": "correct horse"}, "networks": ["192.0.2.7", "2001:DB8::/32"]}
        added = (await api("POST", GATE, body)).data
        assert added["networks"] == ["192.0.2.7/32", "2001:db8::/32"]
        assert [(user["name"], user["created_at"][-1]) for user in added["users"]] == [("kate", "Z")]
        assert api.log[-1] == (
            "heroku[api]: Let user kate, 192.0.2.7/32, 2001:db8::/32 through the access gate by you@example.com"
        )
        assert api.manager.calls[-1] == ("route", app.id)
        assert (await api("GET", GATE)).data == added | {"closed": True}
        assert "correct horse" not in str(api.log)
        wanted = desired_app(api.ledger, Settings(), app)
        assert wanted.gate is not None and matches(b"correct horse", wanted.gate.users["kate"])
        assert [str(network) for network in wanted.gate.networks] == added["networks"]
        assert wanted.gate.users["kate"] not in repr(wanted)
        gone = await api("DELETE", GATE, {"networks": ["192.0.2.7"], "users": ["kate"]})
        assert (gone.data["users"], gone.data["networks"]) == ([], ["2001:db8::/32"])
        assert api.log[-1] == "heroku[api]: Remove user kate, 192.0.2.7/32 from the access gate by you@example.com"
        assert (await api("DELETE", GATE)).data == OPEN == (await api("GET", GATE)).data
        assert api.log[-1] == "heroku[api]: Disable the access gate by you@example.com"
        assert desired_app(api.ledger, Settings(), app).gate is None


async def test_a_user_gets_another_password(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        for password in ("the first one", "the second one"):
            await api("POST", GATE, {"user": {"name": "kate", "password": password}})
        (kept,) = api.ledger.gates.hashes(app.id).values()
        assert matches(b"the second one", kept)


async def test_the_last_one_cannot_be_removed_by_mistake(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", GATE, {"networks": ["10.0.0.0/8"]})
        refused = await api("DELETE", GATE, {"networks": ["10.0.0.0/8"]})
        assert refused.status == 409 and "access:gate:disable" in refused.data["message"]
        assert (await api("GET", GATE)).data["networks"] == ["10.0.0.0/8"]
        for body in ({"users": ["ann"]}, {"networks": ["10.0.0.0/9"]}):
            assert (await api("DELETE", GATE, body)).status == 404


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "needs a user"),
        ({"networks": "10.0.0.0/8"}, 422, "list of texts"),
        ({"networks": ["10.0.0.1/8"]}, 422, "Did you mean 10.0.0.0/8?"),
        ({"networks": ["everywhere"]}, 422, "192.0.2.0/24"),
        ({"user": "kate"}, 422, "an object"),
        ({"user": {"name": "kate"}}, 422, "password"),
        ({"user": {"name": "ka:te", "password": "long enough"}}, 422, "letters"),
        ({"user": {"name": "kate", "password": "short"}}, 422, "8 to 256"),
        ({"user": {"name": "kate", "password": "with\ttab and more"}}, 422, "8 to 256"),
        ({"networks": [f"10.0.{n}.0/24" for n in range(201)]}, 422, "at most 100 users and 200"),
    ],
)
async def test_what_makes_no_gate_changes_nothing(tmp_path, body, status, words):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        refused = await api("POST", GATE, body)
        assert refused.status == status and words in refused.data["message"]
        assert (await api("GET", GATE)).data == OPEN


async def test_strangers_see_no_gate_and_a_destroyed_app_leaves_none(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", GATE, {"user": {"name": "kate", "password": "correct horse"}, "networks": ["10.0.0.0/8"]})
        api.user = "ann@example.com"
        assert [(await api(verb, GATE)).status for verb in ("GET", "POST", "DELETE")] == [404, 404, 404]
        api.ledger.apps.destroy(app.id)
        assert not api.ledger.gates.get(app.id).closed
