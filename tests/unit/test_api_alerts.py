"""Alerts by the API."""

import logging
import time

import pytest
from api_fakes import running_api

from hostd.alerts.notify.notifier import NotSent

ALERTS = "/hostd/apps/hello/alerts"
SLOW = {"condition": "web p95 above 0.5s", "notify": ["mail:you@example.com", "https://hooks.example.com/T0/secret"]}
CONDITION = "web p95>0.5s for 5m"
MINUTE = 60


def minutes_ago(count):
    return int(time.time()) // MINUTE * MINUTE - count * MINUTE


async def test_an_alert_from_its_beginning_to_its_end(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        made = await api("POST", ALERTS, SLOW)
        assert made.status == 201
        assert made.data | {"created_at": 0, "id": 0, "past": 0} == {
            "app": {"id": app.id, "name": "hello"},
            "condition": CONDITION,
            "created_at": 0,
            "firings": [],
            "id": 0,
            "notify": [
                {"target": "mail:you@example.com", "trouble": None},
                {"target": "https://hooks.example.com/***", "trouble": None},
            ],
            "number": 1,
            "past": 0,
            "paused": False,
            "state": "quiet",
        }
        assert api.log[-1] == (
            f"heroku[api]: Add alert 1 ({CONDITION}, to mail:you@example.com, https://hooks.example.com/***) "
            "by you@example.com"
        )
        assert "no mail can be sent" in made.headers["Warning-Message"].lower()
        shown = await api("GET", f"{ALERTS}/1")
        assert shown.data["notices"] == [] and shown.data["past"] == made.data["past"]
        (listed,) = (await api("GET", ALERTS)).data
        assert listed == {key: value for key, value in made.data.items() if key != "past"}
        paused = await api("PATCH", f"{ALERTS}/1", {"paused": True})
        assert (paused.data["paused"], paused.data["state"]) == (True, "paused")
        assert (await api("PATCH", f"{ALERTS}/1", {"paused": False})).data["state"] == "quiet"
        assert [line.partition(" (")[0] for line in api.log[-2:]] == [
            "heroku[api]: Pause alert 1", "heroku[api]: Resume alert 1",
        ]  # fmt: skip
        assert (await api("DELETE", f"{ALERTS}/1")).data["number"] == 1
        assert api.log[-1] == f"heroku[api]: Remove alert 1 ({CONDITION}) by you@example.com"
        assert (await api("GET", f"{ALERTS}/1")).status == (await api("DELETE", f"{ALERTS}/1")).status == 404
        assert "secret" not in f"{api.log} {shown.data} {listed}"
        assert (await api("POST", ALERTS, SLOW)).data["number"] == 2, "no number is given twice"


async def test_how_often_it_would_have_fired(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        slow = [*range(300, 310), *range(100, 106)]
        api.figures.series["p95"] = {minutes_ago(count): 700.0 if count in slow else 90.0 for count in range(3, 400)}
        tried = await api("POST", ALERTS, {"condition": "p95>500ms", "dry_run": True})
        assert tried.status == 200 and tried.data["condition"] == "p95>500ms for 5m"
        past = tried.data["past"]
        assert (past["times"], past["minutes"]) == (2, 16)
        assert [each["minutes"] for each in past["episodes"]] == [6, 10]
        assert (await api("GET", ALERTS)).data == [], "nothing was set"
        assert (await api("POST", ALERTS, {"condition": "p95>500ms"})).data["past"] == past


async def test_a_firing_and_what_was_sent_are_shown(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        alert = (await api("POST", ALERTS, SLOW)).data
        fired = api.ledger.alerts.list(api.ledger.apps.get("hello").id)[0].created_at
        table = api.ledger.alert_firings
        table.begin(alert["id"], began=fired, fired=fired, low=600.0, high=812.0)
        table.tell(alert["id"], 1, {"event": "firing", "text": "x"})
        (notice,) = table.waiting()
        table.failed(notice, None, "its server answers with status 404")
        shown = (await api("GET", f"{ALERTS}/1")).data
        assert shown["state"] == "firing" and shown["firings"][0]["high"] == 812.0
        assert shown["firings"][0]["ended_at"] is None
        assert shown["notify"][1] == {
            "target": "https://hooks.example.com/***", "trouble": "its server answers with status 404",
        }  # fmt: skip
        (told,) = shown["notices"]
        assert (told["status"], told["event"], told["target"]) == (
            "failed", "firing", "https://hooks.example.com/***",
        )  # fmt: skip
        await api("PATCH", f"{ALERTS}/1", {"paused": True})
        assert (await api("GET", f"{ALERTS}/1")).data["firings"][0]["reason"] == "it was paused"


async def test_a_test_says_how_it_went(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", ALERTS, SLOW)
        api.receivers.failing["mail:you@example.com"] = NotSent("the mail server answers 451 later")
        tried = (await api("POST", f"{ALERTS}/1/tests")).data
        assert [(each["target"], each["sent"], each["reason"]) for each in tried] == [
            ("mail:you@example.com", False, "the mail server answers 451 later"),
            ("https://hooks.example.com/***", True, None),
        ]
        ((_, message),) = api.receivers.sent
        assert message["event"] == "test" and message["id"]
        assert message["text"] == f"hello: This is a test of alert {CONDITION}, which is quiet"
        again = await api("POST", f"{ALERTS}/1/tests")
        assert again.status == 429 and "Try again in" in again.data["message"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "condition"),
        ({"condition": 5}, 422, "condition"),
        ({"condition": "p95>500ms", "notify": "mail:x@y.z"}, 422, "must be a list of texts"),
        ({"condition": "p95>500ms", "notify": [5]}, 422, "notify[0] must be a text"),
        ({"condition": "p95>500ms", "dry_run": "yes"}, 422, "dry_run"),
        ({"condition": "p95 500ms"}, 422, "compares nothing"),
        ({"condition": "disk>90%"}, 422, "alerts:add --platform"),
        ({"condition": "wbe memory>90%"}, 422, "web"),
        ({"condition": "p95>500ms", "notify": ["you@example.com"]}, 422, "is no target"),
        ({"condition": "p95>500ms", "notify": ["http://example.com/x"]}, 422, "by https only"),
        ({"condition": "p95>500ms", "notify": ["exec:page"]}, 403, "Only an admin"),
        ({"condition": "p95>500ms", "notify": [f"mail:{n}@x.y" for n in range(11)]}, 422, "at most 10 targets"),
    ],
)
async def test_what_makes_no_alert(tmp_path, body, status, said):
    async with running_api(tmp_path) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        refused = await api("POST", ALERTS, body)
        assert refused.status == status and said in refused.data["message"]
        assert (await api("GET", ALERTS)).data == []


@pytest.mark.thorough
async def test_the_same_alert_twice_and_too_many_are_refused(tmp_path):
    async with running_api(tmp_path, alerts_per_app=5) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", ALERTS, SLOW)
        again = await api("POST", ALERTS, SLOW)
        assert again.status == 422 and again.data["message"] == f"Alert 1 is the same: {CONDITION}"
        for limit in range(2, 6):
            assert (await api("POST", ALERTS, {"condition": f"p95>{limit}ms"})).status == 201
        refused = await api("POST", ALERTS, {"condition": "p95>999ms"})
        assert refused.status == 422 and "hello has 5 alerts" in refused.data["message"]


async def test_the_platforms_alerts_are_the_admins(tmp_path, caplog):
    async with running_api(tmp_path) as api:
        assert (await api("GET", "/hostd/alerts")).status == 403
        assert (await api("POST", "/hostd/alerts", {"condition": "disk>90%"})).status == 403
        api.user = "kate@example.com"
        with caplog.at_level(logging.INFO):
            made = await api("POST", "/hostd/alerts", {"condition": "disk>90%"})
        assert made.status == 201 and made.data["app"] is None
        assert made.data["past"] == {"episodes": [], "minutes": 0, "since": None, "times": 0}
        assert "Add alert 1 (disk>90% for 5m) by kate@example.com" in caplog.messages
        assert (await api("POST", "/hostd/alerts", {"condition": "p95>5ms"})).status == 422
        parts = (await api("GET", "/hostd/status")).data["components"]
        (part,) = [each for each in parts if each["name"] == "alerts"]
        assert part["ok"] and part["detail"] == "1 are watched, none of the platform's fires"
        alert = api.ledger.alerts.list(None)[0]
        api.ledger.alert_firings.begin(
            alert.id, began=alert.created_at, fired=alert.created_at, low=91.0, high=93.0
        )  # fmt: skip
        parts = (await api("GET", "/hostd/status")).data["components"]
        (part,) = [each for each in parts if each["name"] == "alerts"]
        assert not part["ok"] and part["detail"] == "disk>90% for 5m is firing (alert 1)"
        assert (await api("DELETE", "/hostd/alerts/1")).status == 200


async def test_an_admin_may_have_programs_run(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        api.user = "kate@example.com"
        body = {"condition": "p95>500ms", "notify": ["exec:page"]}
        missing = await api("POST", ALERTS, body)
        assert missing.status == 422 and "exec:page cannot be run: there is no program" in missing.data["message"]
        program = tmp_path / "alerts.d/page"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        made = await api("POST", ALERTS, body)
        assert made.status == 201 and made.data["notify"] == [{"target": "exec:page", "trouble": None}]
        program.chmod(0o777)
        assert "nobody else may write to it" in (await api("POST", ALERTS, body)).data["message"]


async def test_an_apps_alerts_go_with_it(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", ALERTS, SLOW)
        api.ledger.apps.destroy(app.id)
        assert api.ledger.alerts.list(app.id) == [] == api.ledger.alerts.watched()


async def test_what_is_no_number_is_not_found(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        found = await api("GET", f"{ALERTS}/one")
        assert found.status == 404 and "alerts have numbers" in found.data["message"]
        assert (await api("PATCH", f"{ALERTS}/1", {"condition": "p95>1s"})).status == 422
