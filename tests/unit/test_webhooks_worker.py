"""The worker of webhooks: what happened becomes events, and these are delivered until they are taken or given up."""

import asyncio
from datetime import timedelta

import pytest
from ledger_kit import add_slug, open_ledger

from hostd.ledger.happenings import ACTOR
from hostd.ledger.webhook_deliveries import DeliveryStatus
from hostd.ledger.webhook_subjects import Subject
from hostd.settings import Settings
from hostd.webhooks.payloads import Payloads
from hostd.webhooks.sending import Answered
from hostd.webhooks.worker import PAUSES, WebhookWorker

ALL = ["api:app", "api:build", "api:collaborator", "api:domain", "api:dyno", "api:formation", "api:release"]


class Receiver:
    """Takes what is sent, and answers as it is told, the last answer for ever."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers) or [Answered(200, None)]
        self.got = []

    async def send(self, webhook, message):
        self.got.append((webhook, message))
        await asyncio.sleep(0)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Scene:
    def __init__(self, tmp_path, level="sync", include=ALL, receiver=None) -> None:
        self.ledger = open_ledger(tmp_path)
        self.kate = self.ledger.users.add("kate@example.com")
        self.ann = self.ledger.users.add("ann@example.com")
        self.app = self.ledger.apps.create("hello", self.kate.id)
        self.hook = self.ledger.webhooks.add(Subject.app(self.app.id), "https://x.example/", include, level, "s", "")
        self.receiver = receiver or Receiver()
        self.later = timedelta()
        self.worker = self.another()

    def another(self):
        payloads = Payloads(self.ledger, Settings(domain="example.com"), lambda _: [])
        return WebhookWorker(ledger=self.ledger, payloads=payloads, sender=self.receiver, clock=self.clock)

    def clock(self):
        return self.ledger.webhook_deliveries._database.now() + self.later

    async def look(self):
        wait = await self.worker.look()
        while self.worker._sending:
            await asyncio.gather(*self.worker._sending.values())
            await asyncio.sleep(0)
            wait = await self.worker.look()
        return wait

    @property
    def told(self):
        return [(message["resource"], message["action"]) for _, message in self.receiver.got]

    @property
    def deliveries(self):
        return self.ledger.webhook_deliveries.list(Subject.app(self.app.id))


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


async def test_everything_that_changes_is_told_in_its_order(scene):
    ledger, app = scene.ledger, scene.app
    token = ACTOR.set(scene.ann.id)
    build = ledger.builds.start(app.id, scene.kate.id, "20a5742")
    slug = add_slug(ledger, app)
    with ledger.transaction():
        ledger.formation.adopt(app.id, {"web": "x"})
        ledger.releases.append(app.id, slug_id=slug.id, config={"KEY": "va1ue"}, description="Deploy", user=scene.kate)
        ledger.builds.finish(build.id, "succeeded", slug_id=slug.id, release_version=2)
    ledger.formation.scale(app.id, [], ["web"])
    ledger.apps.rename(app.id, "bye")
    ledger.access.add(app.id, scene.ann.id)
    domain = ledger.domains.add(app.id, "www.example.org", scene.kate)
    ledger.domains.remove(app.id, domain.hostname)
    ACTOR.reset(token)
    await scene.look()
    assert scene.told == [
        ("build", "create"), ("formation", "create"), ("release", "create"), ("build", "update"), ("app", "update"),
        ("collaborator", "create"), ("domain", "create"), ("domain", "destroy"),
    ]  # fmt: skip
    messages = [message for _, message in scene.receiver.got]
    assert messages[2]["actor"]["email"] == "kate@example.com" and messages[4]["actor"]["email"] == "ann@example.com"
    assert messages[3]["previous_data"] == {"status": "pending"} and messages[3]["data"]["status"] == "succeeded"
    assert messages[4]["previous_data"]["name"] == "hello" and messages[4]["data"]["name"] == "bye"
    assert "va1ue" not in str(messages)
    delivery = scene.deliveries[0]
    assert messages[0]["webhook_metadata"] == {
        "attempt": {"id": delivery.last.id}, "delivery": {"id": delivery.id},
        "event": {"id": delivery.event_id, "include": "api:build"}, "webhook": {"id": scene.hook.id},
    }  # fmt: skip
    assert {each.status for each in scene.deliveries} == {DeliveryStatus.SUCCEEDED}
    assert scene.ledger.happenings.list() == []


async def test_what_is_not_done_is_not_told(scene):
    with pytest.raises(ZeroDivisionError), scene.ledger.transaction():
        scene.ledger.apps.set_maintenance(scene.app.id, True)
        raise ZeroDivisionError
    await scene.look()
    assert scene.told == [] and scene.ledger.webhook_deliveries.events(Subject.app(scene.app.id)) == []


async def test_what_nobody_wants_to_hear_is_no_event(tmp_path):
    scene = Scene(tmp_path, include=["api:release"])
    scene.ledger.apps.set_maintenance(scene.app.id, True)
    scene.worker.hear(scene.app.id, "web.1", "State changed from starting to up")
    await scene.look()
    assert scene.told == [] and scene.ledger.webhook_deliveries.events(Subject.app(scene.app.id)) == []


async def test_a_dynos_change_of_state_is_told(scene):
    scene.worker.hear(scene.app.id, "web.1", "State changed from starting to up")
    scene.worker.hear(scene.app.id, "build", "State changed from building to failed")
    scene.worker.hear(scene.app.id, "web.1", "Starting process with command `x`")
    await scene.look()
    ((_, message),) = scene.receiver.got
    assert (message["resource"], message["action"]) == ("dyno", "update")
    assert message["data"]["name"] == "web.1" and message["data"]["state"] == "up"
    assert message["previous_data"] == {"state": "starting"}


async def test_sync_is_tried_again_with_growing_pauses_and_given_up(tmp_path):
    scene = Scene(tmp_path, receiver=Receiver(Answered(500, "its server answers with status 500")))
    scene.ledger.apps.set_maintenance(scene.app.id, True)
    for tries, pause in enumerate(PAUSES, 1):
        wait = await scene.look()
        (delivery,) = scene.deliveries
        assert (delivery.tries, delivery.status) == (tries, DeliveryStatus.RETRYING)
        assert delivery.last.code == 500 and wait <= pause
        scene.later += timedelta(seconds=pause + 1)
    await scene.look()
    (delivery,) = scene.deliveries
    assert (delivery.tries, delivery.status, delivery.next_at) == (len(PAUSES) + 1, DeliveryStatus.FAILED, None)
    assert len({message["webhook_metadata"]["attempt"]["id"] for _, message in scene.receiver.got}) == delivery.tries


async def test_it_is_over_when_it_is_taken(tmp_path):
    scene = Scene(tmp_path, receiver=Receiver(Answered(None, "its server cannot be reached"), Answered(204, None)))
    scene.ledger.apps.set_maintenance(scene.app.id, True)
    await scene.look()
    assert scene.deliveries[0].last.error == "its server cannot be reached"
    scene.later += timedelta(seconds=PAUSES[0] + 1)
    await scene.look()
    assert (scene.deliveries[0].status, scene.deliveries[0].tries) == (DeliveryStatus.SUCCEEDED, 2)


async def test_notify_is_tried_once(tmp_path):
    scene = Scene(tmp_path, level="notify", receiver=Receiver(Answered(500, "its server answers with status 500")))
    scene.ledger.apps.set_maintenance(scene.app.id, True)
    await scene.look()
    (delivery,) = scene.deliveries
    assert (delivery.tries, delivery.status) == (1, DeliveryStatus.FAILED)


async def test_what_was_on_its_way_when_hostd_was_killed_is_sent_again_at_once(scene):
    scene.ledger.apps.set_maintenance(scene.app.id, True)
    scene.worker._publish()
    (delivery,) = scene.deliveries
    scene.ledger.webhook_deliveries.trying(delivery, "a", scene.clock() + timedelta(seconds=90))
    scene.worker = scene.another()
    scene.worker._ledger.webhook_deliveries.resume()
    await scene.look()
    assert (scene.deliveries[0].status, scene.deliveries[0].tries) == (DeliveryStatus.SUCCEEDED, 2)


async def test_a_slow_receiver_keeps_no_other_waiting(scene):
    gate = asyncio.Event()
    other = scene.ledger.webhooks.add(Subject.app(scene.app.id), "https://y.example/", ["api:app"], "sync", "s", "")
    taken = []

    async def send(webhook, message):
        if webhook.id == scene.hook.id:
            await gate.wait()
        taken.append(webhook.id)
        return Answered(200, None)

    scene.receiver.send = send
    scene.ledger.apps.set_maintenance(scene.app.id, True)
    await scene.worker.look()
    tasks = dict(scene.worker._sending)
    assert set(tasks) == {scene.hook.id, other.id}
    await tasks[other.id]
    assert taken == [other.id]
    gate.set()
    await tasks[scene.hook.id]
    assert taken == [other.id, scene.hook.id]


async def test_the_end_of_an_app_is_told_and_then_its_webhooks_go(scene):
    scene.ledger.apps.destroy(scene.app.id)
    assert scene.ledger.webhooks.list(Subject.app(scene.app.id))
    await scene.look()
    assert scene.told == [("app", "destroy")]
    assert scene.ledger.webhooks.list(Subject.app(scene.app.id)) == []


async def test_the_oldest_events_are_forgotten(scene, monkeypatch):
    monkeypatch.setattr("hostd.ledger.webhook_deliveries.KEPT", 2)
    for on in (True, False, True):
        scene.ledger.apps.set_maintenance(scene.app.id, on)
    scene.worker._publish()
    assert len(scene.ledger.webhook_deliveries.events(Subject.app(scene.app.id))) == len(scene.deliveries) == 2
