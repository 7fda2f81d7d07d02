"""Webhooks by the API: Heroku's shapes, secrets kept, and rights."""

import json

import pytest
from api_fakes import running_api

from hostd.ledger.access import Right
from hostd.ledger.pipelines import Stage
from hostd.ledger.webhook_subjects import Subject

HOOKS = "/apps/hello/webhooks"
WANTED = {"include": ["api:release"], "level": "notify", "url": "https://kate:pa55w0rd@hooks.example.com/in"}


async def test_a_webhook_is_added_changed_and_removed(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        made = await api("POST", HOOKS, WANTED)
        assert made.status == 201 and len(made.headers["Heroku-Webhook-Secret"]) == 64
        hook = made.data
        assert hook["app"] == {"id": app.id, "name": "hello"} and hook["include"] == ["api:release"]
        assert hook["url"] == "https://***@hooks.example.com/in"
        assert (await api("GET", HOOKS)).data == [hook] == [(await api("GET", f"{HOOKS}/{hook['id']}")).data]
        change = {"include": ["api:build", "api:app"], "level": "sync", "url": hook["url"]}
        changed = await api("PATCH", f"{HOOKS}/{hook['id']}", change)
        assert "Heroku-Webhook-Secret" not in changed.headers
        assert (changed.data["include"], changed.data["level"]) == (["api:app", "api:build"], "sync")
        (kept,) = api.ledger.webhooks.list(Subject.app(app.id))
        assert kept.url == WANTED["url"], "the masked address is the one that was there"
        assert kept.secret == made.headers["Heroku-Webhook-Secret"]
        changed = await api("PATCH", f"{HOOKS}/{hook['id']}", {"secret": "other", "authorization": "Bearer x"})
        assert changed.headers["Heroku-Webhook-Secret"] == "other"
        assert (await api("DELETE", f"{HOOKS}/{hook['id']}")).status == 200
        assert (await api("GET", HOOKS)).data == []
        assert (await api("GET", f"{HOOKS}/{hook['id']}")).status == 404


async def test_secrets_are_nowhere_to_be_seen(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        await api("POST", HOOKS, WANTED | {"secret": "s1gned", "authorization": "Bearer t0ken"})
        kept = b"".join(file.read_bytes() for file in (tmp_path / "master").glob("ledger.db*"))
        seen = json.dumps([(await api("GET", HOOKS)).data, api.log])
        for secret in ("pa55w0rd", "s1gned", "t0ken"):
            assert secret not in seen and secret.encode() not in kept


@pytest.mark.parametrize(
    "change",
    [
        {"include": []}, {"include": ["api:unknown"]}, {"level": "often"}, {"url": "ftp://example.com/"},
        {"url": "https://"}, {"url": "https://x/#part"}, {"url": "https://x/ y"}, {"url": "x" * 3000}, {"url": 5},
        {"secret": "a\nb"}, {"secret": "x" * 300}, {"authorization": "a\r\nb: c"},
    ],
)  # fmt: skip
async def test_what_cannot_be_a_webhook_is_refused(tmp_path, change):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        answer = await api("POST", HOOKS, WANTED | change)
        assert answer.status == 422 and "pa55w0rd" not in answer.data["message"]
        assert (await api("GET", HOOKS)).data == []


async def test_looking_needs_view_and_changing_operate(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        hook = (await api("POST", HOOKS, WANTED)).data
        api.user = "ann@example.com"
        assert (await api("GET", HOOKS)).status == 404
        api.ledger.access.add(app.id, api.users["ann"].id, {Right.DEPLOY})
        for path in (HOOKS, f"{HOOKS}/{hook['id']}", "/apps/hello/webhook-deliveries", "/apps/hello/webhook-events"):
            assert (await api("GET", path)).status == 200
        assert (await api("POST", HOOKS, WANTED)).status == 403
        assert (await api("PATCH", f"{HOOKS}/{hook['id']}", {"level": "sync"})).status == 403
        assert (await api("DELETE", f"{HOOKS}/{hook['id']}")).status == 403
        api.ledger.access.update(app.id, api.users["ann"].id, {Right.OPERATE})
        assert (await api("POST", HOOKS, WANTED)).status == 201


async def test_what_a_caller_changes_is_noted_as_theirs(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.ledger.access.add(app.id, api.users["ann"].id)
        await api("POST", HOOKS, WANTED)
        api.user = "ann@example.com"
        await api("PATCH", "/apps/hello", {"maintenance": True})
        (noted,) = api.ledger.happenings.list()
        assert (noted.resource, noted.action, noted.user_id) == ("app", "update", api.users["ann"].id)
        assert noted.before["maintenance"] == 0


async def test_deliveries_are_chosen_by_status_and_come_newest_first(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        hook = api.ledger.webhooks.add(Subject.app(app.id), "https://x.example/", ["api:app"], "sync", "s", "")
        payload = {
            "action": "update", "actor": {"email": "a@b.c", "id": app.id}, "data": {}, "previous_data": {},
            "published_at": "2026-01-27T10:48:08Z", "resource": "app", "sequence": None, "version": "v",
        }  # fmt: skip
        for _ in range(3):
            api.ledger.webhook_deliveries.publish(Subject.app(app.id), app.id, "api:app", payload, [hook])
        table = api.ledger.webhook_deliveries
        first, second, _ = table.list(Subject.app(app.id))
        table.trying(first, app.id, first.created_at)
        table.tried(first, code=500, error="its server answers with status 500", next_at=None)
        table.trying(second, app.id, first.created_at)
        table.tried(second, code=204, error=None, next_at=None)
        found = await api("GET", "/apps/hello/webhook-deliveries?eq[status]=failed")
        (failed,) = found.data
        assert failed["last_attempt"]["code"] == 500 and failed["num_attempts"] == 1
        assert failed["last_attempt"]["status"] == "failed" and failed["next_attempt_at"] is None
        newest = await api("GET", "/apps/hello/webhook-deliveries", headers={"Range": "seq ..; order=desc,max=2"})
        assert [each["status"] for each in newest.data] == ["pending", "succeeded"]
        assert (await api("GET", "/apps/hello/webhook-deliveries?eq[status]=x")).status == 422
        shown = (await api("GET", f"/apps/hello/webhook-deliveries/{first.id}")).data
        assert shown == failed
        event = (await api("GET", f"/apps/hello/webhook-events/{failed['event']['id']}")).data
        assert event["payload"] == payload and len((await api("GET", "/apps/hello/webhook-events")).data) == 3


LINE = "/pipelines/example"


async def test_a_pipeline_has_webhooks_by_the_same_calls(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        line = api.ledger.pipelines.create("example", api.users["you"].id)
        api.ledger.pipelines.couple(line, app.id, Stage.STAGING)
        made = await api("POST", f"{LINE}/webhooks", WANTED)
        assert made.status == 201 and made.headers["Heroku-Webhook-Secret"]
        hook = made.data
        assert hook["pipeline"] == {"id": line.id, "name": "example"} and "app" not in hook
        assert (await api("GET", f"/pipelines/{line.id}/webhooks")).data == [hook]
        assert (await api("GET", HOOKS)).data == [], "it is not the app's"
        assert (await api("GET", f"{HOOKS}/{hook['id']}")).status == 404
        one = f"{LINE}/webhooks/{hook['id']}"
        changed = (await api("PATCH", one, {"level": "sync"})).data
        assert changed["level"] == "sync" and (await api("GET", one)).data == changed
        payload = {
            "action": "update", "actor": {"email": "a@b.c", "id": app.id}, "data": {}, "previous_data": {},
            "published_at": "2026-01-27T10:48:08Z", "resource": "app", "sequence": None, "version": "v",
        }  # fmt: skip
        subject = Subject.pipeline(line.id)
        to = api.ledger.webhooks.list(subject)
        api.ledger.webhook_deliveries.publish(subject, app.id, "api:app", payload, to)
        (delivery,) = (await api("GET", f"{LINE}/webhook-deliveries?eq[status]=pending")).data
        (event,) = (await api("GET", f"{LINE}/webhook-events")).data
        assert delivery["webhook"] == {"id": hook["id"], "level": "sync"} and delivery["event"]["id"] == event["id"]
        assert (await api("GET", f"{LINE}/webhook-deliveries/{delivery['id']}")).data == delivery
        assert (await api("GET", f"{LINE}/webhook-events/{event['id']}")).data == event
        for topic, found in (("deliveries", delivery), ("events", event)):
            assert (await api("GET", f"/apps/hello/webhook-{topic}")).data == []
            assert (await api("GET", f"/apps/hello/webhook-{topic}/{found['id']}")).status == 404
        assert (await api("DELETE", one)).data["pipeline"]["name"] == "example"
        assert (await api("GET", f"{LINE}/webhooks")).data == []
        said = [text for text in api.log if "webhook" in text]
        assert [text.partition("webhook")[2].split()[1:3] for text in said] == [["of", "pipeline"]] * 3
        assert not any("hooks.example.com" in text for text in said)


async def test_a_pipelines_webhooks_are_for_its_owner_and_admins(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        line = api.ledger.pipelines.create("example", api.users["you"].id)
        api.ledger.pipelines.couple(line, app.id, Stage.STAGING)
        hook = (await api("POST", f"{LINE}/webhooks", WANTED)).data
        calls = [
            ("GET", "webhooks", None), ("POST", "webhooks", WANTED), ("GET", "webhook-events", None),
            ("GET", "webhook-deliveries", None), ("GET", f"webhooks/{hook['id']}", None),
            ("PATCH", f"webhooks/{hook['id']}", {"level": "sync"}), ("DELETE", f"webhooks/{hook['id']}", None),
        ]  # fmt: skip
        api.user = "ann@example.com"
        for method, path, body in calls:
            assert (await api(method, f"{LINE}/{path}", body)).status == 404, "who sees none of its apps"
        api.ledger.access.add(app.id, api.users["ann"].id, {Right.MANAGE})
        for method, path, body in calls:
            assert (await api(method, f"{LINE}/{path}", body)).status == 403
