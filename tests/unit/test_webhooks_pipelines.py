"""Webhooks of pipelines: they hear of the apps that are in it and that its owner may view, and of no others."""

import asyncio

import pytest
from ledger_kit import open_ledger

from hostd.errors import Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.pipelines import Stage
from hostd.ledger.webhook_subjects import Subject
from hostd.ledger.webhooks import MOST
from hostd.settings import Settings
from hostd.webhooks.payloads import Payloads
from hostd.webhooks.sending import Answered
from hostd.webhooks.worker import WebhookWorker

ALL = ["api:app", "api:collaborator", "api:domain", "api:dyno", "api:release"]


class Scene:
    """Kate's pipeline with a webhook, her app in it, another of hers, and Ann's, on which Kate may work."""

    def __init__(self, tmp_path):
        self.ledger = ledger = open_ledger(tmp_path)
        self.root = ledger.users.add("root@example.com", admin=True)
        self.kate, self.ann = ledger.users.add("kate@example.com"), ledger.users.add("ann@example.com")
        self.inside, self.outside, self.anns = (
            ledger.apps.create(name, owner.id)
            for name, owner in (("inside", self.kate), ("outside", self.kate), ("anns", self.ann))
        )
        self.line = ledger.pipelines.create("example", self.kate.id)
        self.coupling = ledger.pipelines.couple(self.line, self.inside.id, Stage.STAGING)
        self.subject = Subject.pipeline(self.line.id)
        self.hook = ledger.webhooks.add(self.subject, "https://x.example/", ALL, "sync", "s", "")
        self.got = []
        self.worker = WebhookWorker(
            ledger=ledger, payloads=Payloads(ledger, Settings(domain="example.com"), lambda _: []), sender=self
        )

    def share(self):
        """Let Kate work on Ann's app, which comes into the pipeline."""
        self.ledger.access.add(self.anns.id, self.kate.id)
        self.ledger.pipelines.couple(self.line, self.anns.id, Stage.PRODUCTION)

    async def send(self, webhook, message):
        app = message["data"].get("app", message["data"])["name"]
        self.got.append((webhook.subject.kind.value, app, message["resource"], message["action"]))
        return Answered(200, None)

    async def told(self):
        """What was told since this was asked last."""
        await self.worker.look()
        while self.worker._sending:
            await asyncio.gather(*self.worker._sending.values())
            await asyncio.sleep(0)
            await self.worker.look()
        told, self.got = self.got, []
        return told

    def rename(self, *apps):
        for app in apps:
            now = self.ledger.apps.once(app.id)
            self.ledger.apps.rename(app.id, f"{now.name}-x")


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


async def test_it_hears_of_apps_while_they_are_in_the_pipeline(scene):
    scene.rename(scene.inside, scene.outside)
    assert await scene.told() == [("pipeline", "inside-x", "app", "update")]
    scene.ledger.pipelines.uncouple(scene.coupling)
    scene.rename(scene.inside)
    assert await scene.told() == [] == scene.ledger.happenings.list()
    scene.ledger.pipelines.couple(scene.line, scene.outside.id, Stage.STAGING)
    scene.rename(scene.outside)
    scene.worker.hear(scene.outside.id, "web.1", "State changed from starting to up")
    scene.worker.hear(scene.inside.id, "web.1", "State changed from starting to up")
    assert await scene.told() == [
        ("pipeline", "outside-x-x", "app", "update"), ("pipeline", "outside-x-x", "dyno", "update"),
    ]  # fmt: skip


async def test_what_happened_before_an_app_left_is_still_told(scene):
    scene.rename(scene.inside)
    scene.ledger.pipelines.uncouple(scene.coupling)
    assert await scene.told() == [("pipeline", "inside-x", "app", "update")]


async def test_an_app_and_its_pipeline_have_each_their_own(scene):
    ledger, own = scene.ledger, Subject.app(scene.inside.id)
    hook = ledger.webhooks.add(own, "https://y.example/", ["api:app"], "sync", "s", "")
    assert [each.id for each in ledger.webhooks.list(own)] == [hook.id]
    assert [each.id for each in ledger.webhooks.list(scene.subject)] == [scene.hook.id]
    with pytest.raises(NotFound, match=r"hostctl webhooks$"):
        ledger.webhooks.get(own, scene.hook.id)
    with pytest.raises(NotFound, match=r"hostctl webhooks -p PIPELINE$"):
        ledger.webhooks.get(scene.subject, hook.id)
    scene.rename(scene.inside)
    assert sorted(await scene.told()) == [
        ("app", "inside-x", "app", "update"), ("pipeline", "inside-x", "app", "update"),
    ]  # fmt: skip
    for subject, other, webhook in ((own, scene.subject, hook), (scene.subject, own, scene.hook)):
        (event,), (delivery,) = (table(subject) for table in (
            ledger.webhook_deliveries.events, ledger.webhook_deliveries.list,
        ))  # fmt: skip
        assert (event.app_id, delivery.event_id, delivery.webhook_id) == (scene.inside.id, event.id, webhook.id)
        with pytest.raises(NotFound):
            ledger.webhook_deliveries.event(other, event.id)
        with pytest.raises(NotFound):
            ledger.webhook_deliveries.get(other, delivery.id)


async def test_only_what_the_owner_may_view_is_told(scene):
    scene.share()
    scene.rename(scene.anns)
    assert await scene.told() == [("pipeline", "anns-x", "app", "update")]
    scene.ledger.access.remove(scene.anns.id, scene.kate.id)
    scene.rename(scene.anns)
    assert await scene.told() == []
    scene.ledger.access.add(scene.anns.id, scene.kate.id, {Right.VIEW})
    assert await scene.told() == [("pipeline", "anns-x-x", "collaborator", "create")]
    scene.ledger.access.remove(scene.anns.id, scene.kate.id)
    scene.ledger.users.set_admin(scene.kate.id, True)
    scene.rename(scene.anns)
    assert await scene.told() == [("pipeline", "anns-x-x-x", "app", "update")]


def test_the_triggers_know_the_rights_that_the_ledger_knows(scene):
    scene.share()
    ledger = scene.ledger
    for app in (scene.inside, scene.anns):
        for user in (scene.root, scene.kate, scene.ann):
            seen = ledger._database.first("SELECT 1 FROM may_view WHERE user_id = ? AND app_id = ?", user.id, app.id)
            assert (seen is not None) == (Right.VIEW in ledger.access.rights(app, user)), (app.name, user.email)


async def test_the_end_of_an_app_is_told_once_and_the_webhook_stays(scene):
    scene.share()
    for app in (scene.inside, scene.anns):
        scene.ledger.apps.destroy(app.id)
    assert await scene.told() == [("pipeline", "inside", "app", "destroy"), ("pipeline", "anns", "app", "destroy")]
    assert scene.ledger.pipelines.couplings(scene.line.id) == [] == scene.ledger.happenings.list()
    assert [each.id for each in scene.ledger.webhooks.list(scene.subject)] == [scene.hook.id]
    assert len(scene.ledger.webhook_deliveries.events(scene.subject)) == 2


async def test_the_end_of_an_app_that_the_owner_may_not_view_is_not_told(scene):
    scene.share()
    scene.ledger.access.remove(scene.anns.id, scene.kate.id)
    await scene.told()
    scene.ledger.apps.destroy(scene.anns.id)
    assert await scene.told() == []


async def test_that_the_owner_gave_an_app_away_is_told(scene):
    offered = scene.ledger.transfers.offer(scene.inside, scene.ann, scene.kate)
    scene.ledger.transfers.accept(offered.id)
    assert await scene.told() == [
        ("pipeline", "inside", "app", "update"), ("pipeline", "inside", "collaborator", "create"),
    ]  # fmt: skip


async def test_webhooks_go_with_their_pipeline(scene):
    scene.rename(scene.inside)
    scene.worker._publish()
    scene.rename(scene.inside)
    scene.ledger.pipelines.destroy(scene.line)
    database = scene.ledger._database
    for table in ("webhooks", "webhook_events", "webhook_deliveries"):
        assert database.select(f"SELECT * FROM {table}") == [], table
    assert await scene.told() == [] == scene.ledger.happenings.list()


async def test_another_owner_is_told_and_shown_only_what_they_may_view(scene):
    scene.share()
    scene.rename(scene.inside, scene.anns)
    scene.worker._publish()
    scene.rename(scene.inside, scene.anns)
    scene.ledger.pipelines.transfer(scene.line, scene.ann)
    assert [each.app_id for each in scene.ledger.webhook_deliveries.events(scene.subject)] == [scene.anns.id]
    assert await scene.told() == [("pipeline", "anns-x", "app", "update"), ("pipeline", "anns-x-x", "app", "update")]
    scene.rename(scene.inside, scene.anns)
    assert await scene.told() == [("pipeline", "anns-x-x-x", "app", "update")]


def test_a_pipeline_has_a_limit_of_its_own(scene):
    def add(subject):
        return scene.ledger.webhooks.add(subject, "https://x.example/", ["api:app"], "sync", "s", "")

    for _ in range(MOST - 1):
        add(scene.subject)
    with pytest.raises(Invalid, match=r"example has 20 webhooks.* webhooks:remove ID -p PIPELINE"):
        add(scene.subject)
    add(Subject.app(scene.inside.id))
    with pytest.raises(NotFound, match="There is no pipeline"):
        add(Subject.pipeline("gone"))


async def test_the_oldest_events_of_a_pipeline_are_forgotten_by_themselves(scene, monkeypatch):
    monkeypatch.setattr("hostd.ledger.webhook_deliveries.KEPT", 2)
    own = Subject.app(scene.inside.id)
    scene.ledger.webhooks.add(own, "https://y.example/", ["api:release"], "sync", "s", "")
    scene.ledger.releases.append(scene.inside.id, slug_id=None, config={}, description="x", user=scene.kate)
    for _ in range(3):
        scene.rename(scene.inside)
    scene.worker._publish()
    table = scene.ledger.webhook_deliveries
    assert [each.include for each in table.events(scene.subject)] == ["api:app"] * 2
    assert len(table.list(scene.subject)) == 2 and [each.include for each in table.events(own)] == ["api:release"]


def test_what_is_nobodys_to_hear_is_not_written_down(scene):
    scene.rename(scene.outside, scene.anns)
    scene.ledger.webhooks.remove(scene.subject, scene.hook.id)
    scene.rename(scene.inside)
    assert scene.ledger.happenings.list() == []
