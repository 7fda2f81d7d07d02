"""The keeper of automatic certificates, with the real ledger and a certificate authority that speaks to nobody."""

import asyncio

import pytest
from acme_fakes import DIRECTORY, THUMBPRINT
from acme_scene import MINUTE, NAME, OURS, WILD, Scene
from test_ledger_certificates import judged
from tls_kit import DAY, NOW

from hostd.acme.failure import Failure
from hostd.acme.planner import State
from hostd.errors import Invalid, RateLimited


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


async def test_a_domain_gets_a_certificate_by_itself_and_the_router_gets_it(scene):
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.OK)
        (own,) = scene.own
        assert (own.names, own.automatic, own.expires_at) == ((NAME,), True, NOW + 90 * DAY)
        (path,) = (scene.folder / "tls").iterdir()
        assert path.read_text() == scene.ledger.certificates.key(own) + own.chain
        # The router knew the proof before the authority looked, and does not any more.
        await scene.until(lambda: len(scene.routes) == 3)
        assert scene.routes == [{NAME: f"{'k' * 30}.{THUMBPRINT}"}, {}, {}]
        assert scene.lines == [f"Got a certificate for {NAME}; it is good until 2026-05-30 12:00 UTC."]
        assert scene.ledger.acm.standings(scene.app.id) == {}


async def test_one_account_is_made_whatever_is_restarted_and_its_key_is_kept(scene):
    for number in range(3):
        async with scene.running() as keeper:
            keeper.enable(scene.app)
            scene.names.known[f"n{number}.test"] = OURS
            scene.domain(f"n{number}.test")
            await scene.until(lambda: len(scene.own) > number)  # noqa: B023
    ((key, contact),) = scene.authority.accounts
    assert contact == "kate@example.com"
    assert key == scene.ledger.acme_accounts.key(scene.ledger.acme_accounts.get(DIRECTORY))
    assert scene.authority.closed == 4


async def test_a_domain_that_does_not_lead_here_costs_no_order_until_it_does(scene):
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.names.known.pop(NAME)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.FAILING)
        (status,) = keeper.statuses(scene.app)
        assert "has no address in the DNS yet" in status.reason
        await scene.at(status.retry_at)
        await scene.until(lambda: keeper.statuses(scene.app)[0].retry_at > status.retry_at)
        assert scene.authority.orders == []
        scene.names.known[NAME] = OURS
        await scene.at(keeper.statuses(scene.app)[0].retry_at)
        await scene.until(lambda: scene.states[NAME] is State.OK)
    # The same reason is told once.
    told = [line.partition(" for ")[0] for line in scene.lines]
    assert told == ["No certificate", "Got a certificate"]


async def test_a_renewal_takes_the_place_of_the_old_one_once_whatever_is_restarted(scene):
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.own)
    (old,) = scene.own
    scene.clock.at = NOW + 61 * DAY
    for _ in range(2):
        async with scene.running():
            await scene.until(lambda: scene.states[NAME] is State.OK and scene.own[0].expires_at > old.expires_at)
    (new,) = scene.own
    assert (new.id, new.name) == (old.id, old.name)
    assert new.content != old.content
    assert scene.authority.orders == [NAME, NAME]
    assert [path.stem for path in (scene.folder / "tls").iterdir()] == [new.content]
    assert "Renewed the certificate" in scene.lines[-1]


async def test_a_name_that_fails_is_told_with_when_it_is_tried_again_and_does_not_hinder_others(scene):
    scene.names.known["good.example.com"] = OURS
    scene.authority.failures[NAME] = [Failure("Connection refused (connection)")]
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        scene.domain("good.example.com")
        await scene.until(lambda: scene.states == {NAME: State.FAILING, "good.example.com": State.OK})
        status = keeper.statuses(scene.app)[0]
        assert (status.reason, status.retry_at) == ("Connection refused (connection)", NOW + 10 * MINUTE)
        told = f"No certificate for {NAME}: Connection refused (connection). Tried again at 2026-03-01 12:10 UTC."
        assert told in scene.lines
        await scene.at(status.retry_at)
        await scene.until(lambda: scene.states[NAME] is State.OK)
        assert keeper.challenges(scene.app.id) == {}


async def test_too_many_requests_hold_all_for_a_while_and_the_name_as_long_as_was_said(scene):
    scene.names.known["good.example.com"] = OURS
    scene.authority.failures[NAME] = [Failure("too many certificates (rateLimited)", retry_at=NOW + DAY)]
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.FAILING)
        scene.domain("good.example.com")
        await scene.until(lambda: scene.states.get("good.example.com") is State.FAILING)
        assert scene.authority.orders == [NAME]
        await scene.at(NOW + 11 * MINUTE)
        await scene.until(lambda: scene.states["good.example.com"] is State.OK)
        # Neither time nor a person brings the other one forward.
        for words in ({}, {"hostname": NAME}, {"hostname": NAME, "force": True}):
            with pytest.raises(RateLimited, match="before 2026-03-02 12:00 UTC: the certificate authority does not"):
                keeper.refresh(scene.app, **words)
        await scene.at(NOW + DAY - MINUTE)
        await asyncio.sleep(0.05)
        assert scene.authority.orders == [NAME, "good.example.com"]
        await scene.at(NOW + DAY)
        await scene.until(lambda: scene.states[NAME] is State.OK)


async def test_an_authority_that_cannot_be_reached_is_left_alone_longer_and_longer_and_no_name_pays_for_it(scene):
    scene.authority.failures[""] = [Failure("the authority cannot be reached", general=True) for _ in range(3)]
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        for pause in (1, 2, 4):
            before = scene.clock.at
            await scene.until(lambda: not keeper._tries and scene.states.get(NAME) is State.FAILING)
            (status,) = keeper.statuses(scene.app)
            assert (status.reason, status.retry_at) == ("the authority cannot be reached", before + pause * MINUTE)
            assert scene.ledger.acm.standings(scene.app.id)[NAME].failures == 0
            await scene.at(status.retry_at)
        await scene.until(lambda: scene.states[NAME] is State.OK)
        assert scene.ledger.acme_accounts.get(DIRECTORY).failures == 0


async def test_several_that_fail_at_once_count_as_one(scene):
    names = [f"n{number}.test" for number in range(3)]
    scene.names.known |= dict.fromkeys(names, OURS)
    for name in names:
        scene.authority.failures[name] = [Failure("the authority cannot be reached", general=True)]
    async with scene.running(start=False) as keeper:
        keeper.enable(scene.app)
        for name in names:
            scene.domain(name)
        keeper.start()
        await scene.until(lambda: len(scene.authority.orders) == 3 and not keeper._tries)
        assert {status.retry_at for status in keeper.statuses(scene.app)} == {NOW + MINUTE}
        assert scene.ledger.acme_accounts.get(DIRECTORY).failures == 1


async def test_an_account_that_the_authority_has_lost_is_made_anew_with_the_same_key(scene):
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.own)
        scene.authority.failures[NAME] = [Failure("no such account", general=True, unknown=True)]
        keeper.refresh(scene.app, NAME, force=True)
        await scene.until(lambda: scene.states[NAME] is State.FAILING)
        await scene.at(NOW + 2 * MINUTE)
        await scene.until(lambda: scene.states[NAME] is State.OK)
    first, second = scene.authority.accounts
    assert first == second


async def test_what_nobody_wants_any_more_is_dropped(scene):
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.own)
        scene.ledger.domains.remove(scene.app.id, NAME)
        keeper.nudge()
        await scene.until(lambda: not scene.own and not list((scene.folder / "tls").iterdir()))
        scene.domain(NAME)
        await scene.until(lambda: scene.own)
        added = scene.ledger.certificates.add(scene.app.id, judged(WILD))
        keeper.nudge()
        await scene.until(lambda: not scene.own)
        assert scene.ledger.certificates.list(scene.app.id) == [added]
        scene.ledger.certificates.remove(scene.app.id, added.id)
        keeper.nudge()
        await scene.until(lambda: scene.own)
        await keeper.disable(scene.app)
        assert scene.own == []
        assert keeper.statuses(scene.app) == []


async def test_a_name_that_goes_while_it_is_proven_gets_no_certificate(scene):
    scene.authority.seen.clear()
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: keeper.challenges(scene.app.id))
        assert scene.states == {NAME: State.VERIFYING}
        scene.ledger.domains.remove(scene.app.id, NAME)
        scene.authority.seen.set()
        await scene.until(lambda: not keeper._tries)
        assert (scene.own, keeper.challenges(scene.app.id)) == ([], {})
        scene.authority.seen.clear()
        scene.domain(NAME)
        await scene.until(lambda: keeper.challenges(scene.app.id))
        await keeper.disable(scene.app)
        await scene.until(lambda: not keeper._tries)
        assert (scene.own, scene.ledger.acm.standings(scene.app.id)) == ([], {})


async def test_a_hostd_that_ends_in_the_middle_lets_the_next_one_begin_at_once(scene):
    scene.authority.seen.clear()
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: keeper.challenges(scene.app.id))
        assert scene.ledger.acm.standings(scene.app.id)[NAME].next_at > NOW
    scene.authority.seen.set()
    async with scene.running():
        await scene.until(lambda: scene.states[NAME] is State.OK)


async def test_without_terms_accepted_nobody_gets_one(scene):
    async with scene.running(accepted=False) as keeper:
        with pytest.raises(Invalid, match="acme_terms_accepted = true"):
            keeper.enable(scene.app)
        scene.ledger.acm.enable(scene.app.id)
        scene.domain(NAME)
        await scene.until(lambda: scene.states == {NAME: State.FAILING})
        assert "are not accepted" in keeper.statuses(scene.app)[0].reason
    assert scene.authority.orders == []


async def test_a_fault_of_ours_counts_as_a_failure_and_ends_nothing(scene, monkeypatch):
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        with monkeypatch.context() as broken:
            broken.setattr("hostd.acme.keeper.certificate_for", None)
            scene.domain(NAME)
            await scene.until(lambda: scene.states.get(NAME) is State.FAILING)
        assert "inside hostd" in keeper.statuses(scene.app)[0].reason
        await scene.at(NOW + 10 * MINUTE)
        await scene.until(lambda: scene.states[NAME] is State.OK)
