"""What is to be done next for automatic certificates, as a value; and what tries mean for the next one."""

from datetime import timedelta

import pytest
from tls_kit import DAY, NOW

from hostd.acme.failure import Failure
from hostd.acme.planner import NO_HOOK, Hold, Method, Obtain, Plan, Situation, State, plan, renew_at, statuses
from hostd.acme.standings import (
    BETWEEN_REFRESHES,
    FIRST_PAUSE,
    LATEST_LOOK,
    LONGEST_PAUSE,
    LONGEST_TRY,
    SOONEST_LOOK,
    begun,
    failed,
    hindrance,
    new,
    refreshed,
    waiting,
)
from hostd.dns import Check, Found, Leads
from hostd.ledger.certificates import Certificate

APP, NAME, WILD = "id-of-hello", "www.example.com", "*.example.com"
MINUTE = timedelta(minutes=1)
EITHER = (Method.HTTP, Method.TLS)


def certificate(*names, automatic=True, starts=NOW - DAY, ends=NOW + 89 * DAY, fingerprint="0" * 64):
    return Certificate(
        f"id-{'auto' if automatic else 'added'}", APP, "gentle-mesa-5445", None, "chain", fingerprint, names, starts,
        ends, starts, starts, None, automatic,
    )  # fmt: skip


def check(leads, message="www.example.com leads away."):
    return Check(leads, message, Found(), (), NOW)


def situation(*hosts, certificates=(), standings=(), **more):
    return Situation(APP, hosts, certificates, {each.hostname: each for each in standings}, **more)


HERE = {NAME: check(Leads.HERE)}


def test_a_name_without_a_certificate_is_looked_up_and_then_got():
    asked = plan(situation(NAME), NOW)
    assert asked == Plan(look_up=(NAME,), again=NOW + SOONEST_LOOK)
    wanted = Obtain(new(APP, NAME, NOW), EITHER, None)
    assert plan(situation(NAME, answers=HERE), NOW) == Plan(obtain=(wanted,))


@pytest.mark.parametrize("method", [Method.HTTP, Method.TLS])
def test_an_app_may_want_to_be_proven_in_one_way_only(method):
    (wanted,) = plan(situation(NAME, answers=HERE, method=method), NOW).obtain
    assert wanted.methods == (method,)


def test_a_name_that_is_proven_in_the_dns_may_lead_anywhere():
    at_hand = situation(NAME, method=Method.DNS, hook=True)
    assert plan(at_hand, NOW) == Plan(obtain=(Obtain(new(APP, NAME, NOW), (Method.DNS,), None),))
    without = situation(NAME, method=Method.DNS)
    assert (plan(without, NOW), statuses(without, NOW)[0].reason) == (Plan(), NO_HOOK)


@pytest.mark.parametrize("leads", [Leads.ELSEWHERE, Leads.NOWHERE, Leads.UNANSWERED])
def test_a_name_that_does_not_lead_here_waits(leads):
    step = plan(situation(NAME, answers={NAME: check(leads)}), NOW)
    (note,) = step.note
    assert (step.obtain, note.reason, note.next_at) == ((), "www.example.com leads away", step.again)
    assert plan(situation(NAME, standings=[note]), NOW) == Plan(again=note.next_at)
    assert plan(situation(NAME, standings=[note]), note.next_at).look_up == (NAME,)


def test_the_longer_a_name_leads_elsewhere_the_less_often_the_dns_is_asked():
    standing, now, asked = new(APP, NAME, NOW), NOW, 0
    while now < NOW + DAY:
        standing = waiting(standing, "it leads away", now)
        assert SOONEST_LOOK <= standing.next_at - now <= LATEST_LOOK
        now, asked = standing.next_at, asked + 1
    assert 20 < asked < 60


def test_what_is_being_tried_is_not_tried_again():
    assert plan(situation(NAME, busy={NAME}), NOW) == Plan()
    assert statuses(situation(NAME, busy={NAME}), NOW)[0].state is State.VERIFYING


def test_a_try_that_a_killed_hostd_began_counts_until_it_must_be_over():
    standing = begun(new(APP, NAME, NOW), NOW)
    assert plan(situation(NAME, standings=[standing]), NOW + MINUTE) == Plan(again=NOW + LONGEST_TRY)
    assert plan(situation(NAME, standings=[standing]), NOW + LONGEST_TRY).look_up == (NAME,)


# Renewal


def test_a_certificate_is_renewed_when_a_third_of_its_life_is_left():
    own = certificate(NAME)
    due = NOW - DAY + 60 * DAY
    assert renew_at(own) == due
    assert plan(situation(NAME, certificates=[own]), due - MINUTE) == Plan(again=due)
    wanted = Obtain(new(APP, NAME, due), EITHER, own)
    assert plan(situation(NAME, certificates=[own], answers=HERE), due).obtain == (wanted,)


def test_not_all_are_renewed_at_once_but_each_always_then():
    due = [renew_at(certificate(NAME, fingerprint=f"{digit}" * 64)) for digit in "048cf"]
    assert due == sorted(due, reverse=True)
    assert due[0] - due[-1] == timedelta(days=90) / 20


def test_a_renewal_that_fails_leaves_the_certificate_and_says_so():
    own, now = certificate(NAME), NOW + 70 * DAY
    standing = failed(new(APP, NAME, now), Failure("it cannot be reached"), now, 0.5)
    at_hand = situation(NAME, certificates=[own], standings=[standing])
    assert plan(at_hand, now) == Plan(again=standing.next_at)
    (status,) = statuses(at_hand, now)
    assert (status.state, status.reason, status.retry_at, status.certificate) == (
        State.FAILING, "it cannot be reached", standing.next_at, own
    )  # fmt: skip


# What is not wanted any more


def test_a_name_that_was_removed_loses_its_certificate():
    own, standing = certificate(NAME), new(APP, "old.example.com", NOW)
    assert plan(situation(certificates=[own], standings=[standing]), NOW) == Plan(
        drop=(own,), forget=("old.example.com",)
    )


@pytest.mark.parametrize("covering", [NAME, WILD])
def test_a_certificate_that_somebody_added_comes_first_until_it_ends(covering):
    added, own = certificate(covering, automatic=False), certificate(NAME)
    at_hand = situation(NAME, certificates=[own, added], standings=[new(APP, NAME, NOW)])
    assert plan(at_hand, NOW) == Plan(drop=(own,), forget=(NAME,), again=added.expires_at)
    (status,) = statuses(at_hand, NOW)
    assert (status.state, status.certificate) == (State.OK, added)
    assert plan(situation(NAME, certificates=[added]), added.expires_at).look_up == (NAME,)


def test_an_added_certificate_is_never_dropped():
    assert plan(situation(certificates=[certificate(NAME, automatic=False)]), NOW).drop == ()


# Wildcards


def test_a_wildcard_takes_a_program_that_makes_records():
    assert plan(situation(WILD), NOW) == Plan()
    (status,) = statuses(situation(WILD), NOW)
    assert (status.state, status.reason) == (State.FAILING, NO_HOOK)
    wanted = Obtain(new(APP, WILD, NOW), (Method.DNS,), None)
    assert plan(situation(WILD, hook=True), NOW) == Plan(obtain=(wanted,))


# The authority


def test_nothing_is_asked_of_an_authority_that_wants_to_be_left_alone():
    own, held = certificate("ok.example.com"), Hold("too much", NOW + 5 * MINUTE)
    at_hand = situation(NAME, "ok.example.com", certificates=[own], hold=held)
    assert plan(at_hand, NOW) == Plan(again=NOW + 5 * MINUTE)
    failing, well = statuses(at_hand, NOW)
    assert (failing.state, failing.reason, failing.retry_at) == (State.FAILING, "too much", held.until)
    assert (well.state, well.reason) == (State.OK, None)
    assert plan(at_hand, NOW + 5 * MINUTE).look_up == (NAME,)


def test_without_terms_accepted_nothing_is_due():
    assert plan(situation(NAME, hold=Hold("the terms are not accepted")), NOW) == Plan()


# Failures


def test_pauses_grow_by_chance_up_to_a_day():
    standing, pauses = new(APP, NAME, NOW), []
    for _ in range(30):
        standing = failed(standing, Failure("no"), NOW, 0.5)
        pauses.append(standing.next_at - NOW)
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert failed(new(APP, NAME, NOW), Failure("no"), NOW, 0.0).next_at == NOW + 0.8 * FIRST_PAUSE
    assert failed(new(APP, NAME, NOW), Failure("no"), NOW, 1.0).next_at == NOW + 1.2 * FIRST_PAUSE


def test_what_the_authority_says_counts_if_it_is_longer():
    later = failed(new(APP, NAME, NOW), Failure("slow down", retry_at=NOW + DAY), NOW, 0.5)
    assert (later.next_at, later.limited) == (NOW + DAY, True)
    sooner = failed(new(APP, NAME, NOW), Failure("slow down", retry_at=NOW + MINUTE), NOW, 0.5)
    assert (sooner.next_at, sooner.limited) == (NOW + FIRST_PAUSE, True)


def test_a_refresh_tries_now():
    standing = failed(new(APP, NAME, NOW), Failure("no"), NOW, 0.5)
    again = refreshed(standing, NOW + 2 * MINUTE, renew=False)
    assert (again.next_at, again.reason, again.failures) == (NOW + 2 * MINUTE, None, 1)


def test_what_failed_a_short_while_ago_is_not_refreshed_but_by_force():
    standing = failed(new(APP, NAME, NOW), Failure("no"), NOW, 0.5)
    why = hindrance(standing, None, NOW + MINUTE, force=False)
    assert (why.until, why.forcible) == (NOW + BETWEEN_REFRESHES, True)
    assert hindrance(standing, None, why.until, force=False) is None
    assert hindrance(standing, None, NOW, force=True) is None
    patient = waiting(new(APP, NAME, NOW), "it leads away", NOW)
    assert hindrance(patient, None, NOW, force=False) is None


def test_a_new_certificate_is_not_renewed_but_by_force():
    standing = new(APP, NAME, NOW)
    for own, old_enough in (
        (certificate(NAME, starts=NOW), NOW + DAY),
        (certificate(NAME, starts=NOW, ends=NOW + 60 * MINUTE), NOW + 20 * MINUTE),
    ):
        why = hindrance(standing, own, NOW + MINUTE, force=False)
        assert (why.until, why.forcible) == (old_enough, True)
        assert hindrance(standing, own, old_enough, force=False) is None
        assert hindrance(standing, own, NOW, force=True) is None


def test_what_the_authority_forbids_is_not_refreshed_by_any_force():
    limited = failed(new(APP, NAME, NOW), Failure("slow down", retry_at=NOW + DAY), NOW, 0.5)
    for force in (False, True):
        why = hindrance(limited, None, NOW + DAY - MINUTE, force=force)
        assert (why.until, why.forcible) == (NOW + DAY, False)
        assert hindrance(limited, None, NOW + DAY, force=force) is None


def test_a_refresh_of_a_name_gets_another_certificate_whatever_there_is():
    own = certificate(NAME)
    standing = refreshed(new(APP, NAME, NOW), NOW, renew=True)
    at_hand = situation(NAME, certificates=[own], standings=[standing], answers=HERE)
    assert plan(at_hand, NOW).obtain == (Obtain(standing, EITHER, own),)
    assert statuses(at_hand, NOW)[0].state is State.VERIFYING


def test_states():
    own = certificate(NAME)
    assert statuses(situation(NAME), NOW)[0].state is State.VERIFYING
    assert statuses(situation(NAME, certificates=[own]), NOW)[0].state is State.OK
    assert statuses(situation(NAME, certificates=[own]), own.expires_at)[0].state is State.VERIFYING
    assert statuses(situation(), NOW) == []
