"""Log drains by the API: Heroku's shapes, secrets kept, and the logplex told."""

import json
import stat

import pytest
from api_fakes import running_api

from hostd.ledger.drains import MOST
from hostd.logplex.drains.document import document

DRAINS = "/apps/hello/log-drains"
SECRET = "https://kate:pa55w0rd@logs.example.com/in?key=s3cr3tkey"
SHOWN = "https://***@logs.example.com/in?key=***"


def told(api):
    """What the logplex reads."""
    return document((api.socket.parent / "run/logplex/drains.json").read_text())


async def test_a_drain_is_added_shown_and_removed(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", DRAINS)).data == []
        made = await api("POST", DRAINS, {"url": "syslog+tls://logs.example.com:6514"})
        drain = made.data
        assert made.status == 201 and drain["token"].startswith("d.") and drain["addon"] is None
        assert set(drain) == {"addon", "app", "created_at", "id", "token", "updated_at", "url"}
        assert api.log[-1] == (
            f"heroku[api]: Add drain {drain['token']} to syslog+tls://logs.example.com:6514 by you@example.com"
        )
        (wanted,) = told(api).drains
        assert (wanted.app, wanted.token, wanted.url) == (app.id, drain["token"], "syslog+tls://logs.example.com:6514")
        assert (await api("GET", DRAINS)).data == [drain]
        for name in (drain["id"], drain["token"], "syslog%2Btls%3A%2F%2Flogs.example.com%3A6514"):
            assert (await api("GET", f"{DRAINS}/{name}")).data == drain
        gone = await api("DELETE", f"{DRAINS}/syslog%2Btls%3A%2F%2Flogs.example.com%3A6514")
        assert gone.status == 200 and gone.data["url"] == "syslog+tls://logs.example.com:6514"
        assert told(api).drains == () and (await api("GET", DRAINS)).data == []
        assert "Remove drain" in api.log[-1]


async def test_secrets_of_an_address_are_seen_by_the_logplex_alone(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        drain = (await api("POST", DRAINS, {"url": SECRET})).data
        seen = json.dumps([drain, (await api("GET", DRAINS)).data, api.log])
        again = await api("POST", DRAINS, {"url": SECRET})
        assert again.status == 409
        assert drain["url"] == SHOWN
        for secret in ("pa55w0rd", "s3cr3tkey", "kate:"):
            assert secret not in seen + json.dumps(again.data) + repr(api.ledger.drains.all()) + repr(told(api))
            kept = b"".join(file.read_bytes() for file in (tmp_path / "master").glob("ledger.db*"))
            assert secret.encode() not in kept
        file = tmp_path / "run/logplex/drains.json"
        assert "pa55w0rd" in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o640
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o750
        masked = "https%3A%2F%2F%2A%2A%2A%40logs.example.com%2Fin%3Fkey%3D%2A%2A%2A"
        other = await api("POST", DRAINS, {"url": SECRET.replace("pa55w0rd", "another")})
        assert other.status == 201
        assert (await api("DELETE", f"{DRAINS}/{masked}")).status == 409
        await api("DELETE", f"{DRAINS}/{other.data['token']}")
        assert (await api("DELETE", f"{DRAINS}/{masked}")).data["id"] == drain["id"]


async def test_filters_are_kept_and_told(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        filters = {"source": "app", "processes": ["web"], "excluded": ["web.2"]}
        drain = (await api("POST", DRAINS, {"url": "http://logs.example.com/", "filters": filters})).data
        assert "extended" not in drain
        for path in (DRAINS, f"{DRAINS}/{drain['id']}"):
            shown = (await api("GET", f"{path}?extended=true")).data
            found = shown[0] if isinstance(shown, list) else shown
            assert found["extended"] == {"drain_id": drain["id"], "filters": filters, "status": None}
        assert told(api).drains[0].choice.to_json() == filters


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"url": 1}, 422),
        ({"url": "ftp://x/"}, 422),
        ({"url": "https://u:pa55@h/ x"}, 422),
        ({"url": "https://h/", "filters": []}, 422),
        ({"url": "https://h/", "filters": ["x"]}, 422),
        ({"url": "https://h/", "filters": {"source": "x"}}, 422),
        ({"url": "file:///hello.log"}, 403),
        ({"url": "journal+https://h/"}, 403),
        ({"url": "syslog://10.0.0.1:514"}, 422),
        ({"url": "https://u:pa55@169.254.169.254/latest"}, 422),
        ({"url": "http://[::1]:80/"}, 422),
        ({"url": "http://2130706433/"}, 422),
        ({"url": "http://127.1/"}, 422),
        ({"url": "http://9.9.9.9/"}, 201),
    ],
)
async def test_what_cannot_be_is_refused(tmp_path, body, status):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        answer = await api("POST", DRAINS, body)
        assert answer.status == status
        assert "pa55" not in str(answer.data)


async def test_admins_may_add_what_writes_to_this_server(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        api.user = "kate@example.com"
        assert (await api("POST", DRAINS, {"url": "file:///hello.log"})).status == 201


async def test_limits_strangers_and_the_end_of_the_app(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        for number in range(MOST):
            assert (await api("POST", DRAINS, {"url": f"http://h{number}.example/"})).status == 201
        more = await api("POST", DRAINS, {"url": "http://more.example/"})
        assert more.status == 422 and "5 drains" in more.data["message"]
        missing = await api("GET", f"{DRAINS}/d.nobody")
        assert missing.status == 404
        api.user = "ann@example.com"
        assert (await api("GET", DRAINS)).status == 404
        api.user = "you@example.com"
        assert (await api("DELETE", "/apps/hello")).status == 200
        assert told(api).drains == ()
