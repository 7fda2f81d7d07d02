"""Standings: what a try, or its failure, means for when a name is tried next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hostd.acme.failure import Failure
from hostd.ledger.acm import Standing
from hostd.ledger.certificates import Certificate

LONGEST_TRY = timedelta(minutes=10)
"""A try that nobody ended, since hostd was killed, is over after so long."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(days=1)
"""After a first failure; each further one doubles it. Let's Encrypt lets five tries an hour of a name fail."""
SOONEST_LOOK, LATEST_LOOK = timedelta(seconds=30), timedelta(hours=1)
"""How long the DNS is left alone while a name does not lead here."""
BETWEEN_REFRESHES = timedelta(minutes=10)
"""How long after a try of a name it is not tried again because somebody says so. Let's Encrypt's limit is five that
fail in an hour, one every twelve minutes."""
YOUNG, YOUNG_PART = timedelta(days=1), 1 / 3
"""Up to what age, or what part of its life, a certificate is not renewed because somebody says so. Let's Encrypt makes
five for the same name in a week."""
_PATIENCE = 4
"""The DNS is asked again after this fraction of the time for which a certificate has been wanted."""
_SPREAD = 0.2
"""By what part a pause is made longer or shorter by chance."""


def new(app_id: str, hostname: str, now: datetime) -> Standing:
    """A name that wants a certificate from now on."""
    return Standing(app_id, hostname, since_at=now, updated_at=now, next_at=now)


def begun(standing: Standing, now: datetime) -> Standing:
    """A try begins. It is noted before anything is asked: a hostd that is killed again and again does not hammer."""
    return replace(standing, updated_at=now, next_at=now + LONGEST_TRY)


def waiting(standing: Standing, reason: str, now: datetime) -> Standing:
    """The name does not lead here yet: the longer that is so, the less often the DNS is asked."""
    pause = min(max((now - standing.since_at) / _PATIENCE, SOONEST_LOOK), LATEST_LOOK)
    return replace(standing, reason=reason, updated_at=now, next_at=now + pause, limited=False)


def failed(standing: Standing, failure: Failure, now: datetime, chance: float) -> Standing:
    """A try failed because of the name; `chance` is from 0 to 1."""
    pause = pause_after(standing.failures + 1, FIRST_PAUSE, LONGEST_PAUSE, chance)
    return replace(
        standing,
        reason=failure.reason,
        failures=standing.failures + 1,
        updated_at=now,
        next_at=max(now + pause, failure.retry_at or now),
        limited=failure.retry_at is not None,
    )


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a name is not tried because somebody says so, and until when; `forcible` if they may insist."""

    reason: str
    until: datetime
    forcible: bool = True


def hindrance(standing: Standing, own: Certificate | None, now: datetime, *, force: bool) -> Hindrance | None:
    """What keeps a name from being tried now; `own` is the certificate that is to be renewed before its time."""
    if standing.limited and standing.next_at > now:
        return Hindrance("the certificate authority does not want to be asked sooner", standing.next_at, forcible=False)
    if force:
        return None
    rested = standing.updated_at + BETWEEN_REFRESHES
    if standing.failures and now < rested:
        return Hindrance("the certificate authority lets only a few tries of a name fail in an hour", rested)
    if own is not None:
        grown = own.starts_at + min(YOUNG, (own.expires_at - own.starts_at) * YOUNG_PART)
        if now < grown:
            return Hindrance("its certificate is new, and a certificate authority makes few of a name in a week", grown)
    return None


def refreshed(standing: Standing, now: datetime, *, renew: bool) -> Standing:
    """Somebody wants it to be tried now, and nothing hinders that."""
    return replace(
        standing, since_at=now, next_at=now, reason=None, limited=False, renew=renew or standing.renew
    )


def pause_after(failures: int, first: timedelta, longest: timedelta, chance: float) -> timedelta:
    """How long to wait after so many failures, one or more."""
    # Beyond some twenty doublings every pause is the longest.
    doublings: int = 2 ** min(failures - 1, 20)
    pause = min(first * doublings, longest)
    return pause * (1 - _SPREAD + 2 * _SPREAD * chance)
