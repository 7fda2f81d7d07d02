"""What is to be done next for an app's automatic certificates: pure functions of the ledger, the clock and the DNS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from hostd.acme.standings import SOONEST_LOOK, new, waiting
from hostd.certificates.matching import covering
from hostd.dns import Check, Leads
from hostd.domain_names import is_wildcard
from hostd.ledger.acm import Standing
from hostd.ledger.certificates import Certificate

LEFT = 1 / 3
"""A certificate is renewed when this part of its life is left,"""
SPREAD = 1 / 20
"""or up to this part of its life sooner: not all are renewed at once."""
NO_HOOK = (
    "what proves it, as for every wildcard, is a record in the DNS, and no program is set that makes it: "
    "the server's admin can set acme_dns_hook"
)


class Method(Enum):
    """How it is proven that a name is ours, by its name in ACME."""

    HTTP = "http-01"
    TLS = "tls-alpn-01"
    DNS = "dns-01"


class State(Enum):
    """How it stands with a name, as Heroku says it."""

    OK = "OK"
    VERIFYING = "Verifying"
    FAILING = "Failing"


_BY_DNS = (Method.DNS,)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing can be asked of the authority, until when; None is until somebody changes something."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """All that there is to know of an app.

    `hosts` are the names that want certificates, none if the app does not get them by itself; `certificates` all of
    the app; `answers` what the DNS has just said; `busy` the names that are being tried; `hook` whether there is a
    program that makes records in the DNS; `method` the only way by which the app wants its names to be proven.
    """

    app_id: str
    hosts: Sequence[str]
    certificates: Sequence[Certificate]
    standings: Mapping[str, Standing]
    answers: Mapping[str, Check] = field(default_factory=dict)
    busy: Set[str] = frozenset()
    hold: Hold | None = None
    hook: bool = False
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class Obtain:
    """Get a certificate for a name, in the place of the one that it has; by these ways, until one is believed."""

    standing: Standing
    methods: tuple[Method, ...]
    replaces: Certificate | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now: certificates to drop, names to forget, names to ask the DNS for, certificates to get, what to
    note; and when to plan again at the latest."""

    drop: tuple[Certificate, ...] = ()
    forget: tuple[str, ...] = ()
    look_up: tuple[str, ...] = ()
    obtain: tuple[Obtain, ...] = ()
    note: tuple[Standing, ...] = ()
    again: datetime | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How it stands with a name, for people: why, when something is tried next, and the certificate that it has."""

    hostname: str
    state: State
    reason: str | None = None
    retry_at: datetime | None = None
    certificate: Certificate | None = None


def plan(situation: Situation, now: datetime) -> Plan:
    """What to do now."""
    wanted = [host for host in situation.hosts if _added(situation, host, now) is None]
    steps = [step for host in wanted for step in _steps(situation, host, now)]
    notes = [step for step in steps if isinstance(step, Standing)]
    # A certificate that somebody added may end, and then an automatic one is wanted.
    ends = [each.expires_at for each in situation.certificates if not each.automatic and each.expires_at > now]
    moments = [*ends, *(step for step in steps if isinstance(step, datetime)), *(note.next_at for note in notes)]
    return Plan(
        drop=tuple(each for each in situation.certificates if each.automatic and not set(each.names) & set(wanted)),
        forget=tuple(host for host in situation.standings if host not in wanted),
        look_up=tuple(step for step in steps if isinstance(step, str)),
        obtain=tuple(step for step in steps if isinstance(step, Obtain)),
        note=tuple(notes),
        again=min(moments, default=None),
    )


def statuses(situation: Situation, now: datetime) -> list[Status]:
    """How it stands with each of an app's names."""
    return [_status(situation, host, now) for host in situation.hosts]


def renew_at(certificate: Certificate) -> datetime:
    """When a certificate is renewed; the spread is by its fingerprint, and so always the same for the same one."""
    life = certificate.expires_at - certificate.starts_at
    share = int(certificate.fingerprint[:8], 16) / 0xFFFFFFFF
    return certificate.expires_at - life * LEFT - life * SPREAD * share


def own_of(certificates: Sequence[Certificate], host: str) -> Certificate | None:
    """The automatic certificate of a name."""
    return next((each for each in reversed(certificates) if each.automatic and host in each.names), None)


def _steps(situation: Situation, host: str, now: datetime) -> Iterator[str | Obtain | Standing | datetime]:
    """What a name wants: its name, to be looked up; a certificate; a note; or to be looked at again then."""
    own = own_of(situation.certificates, host)
    standing = situation.standings.get(host) or new(situation.app_id, host, now)
    due, methods, hold = _due(own, standing, now), _methods(situation, host), situation.hold
    if host in situation.busy or (methods == _BY_DNS and not situation.hook):
        return
    if due > now:
        yield due
    elif hold is not None and (hold.until is None or hold.until > now):
        if hold.until is not None:
            yield hold.until
    elif methods == _BY_DNS:
        # Where the name leads is then of no matter.
        yield Obtain(standing, methods, own)
    elif (answer := situation.answers.get(host)) is None:
        yield from (host, now + SOONEST_LOOK)
    elif answer.leads is Leads.HERE:
        yield Obtain(standing, methods, own)
    else:
        yield waiting(standing, answer.message.removesuffix("."), now)


def _status(situation: Situation, host: str, now: datetime) -> Status:
    if (added := _added(situation, host, now)) is not None:
        return Status(host, State.OK, f"has {added.name}, which somebody added", None, added)
    own, standing = own_of(situation.certificates, host), situation.standings.get(host)
    due = own is None or _due(own, standing or new(situation.app_id, host, now), now) <= now
    valid = own is not None and now < own.expires_at
    if host in situation.busy:
        return Status(host, State.VERIFYING, None, None, own)
    if _methods(situation, host) == _BY_DNS and not situation.hook and due:
        return Status(host, State.FAILING, NO_HOOK, None, own)
    if situation.hold is not None and due:
        return Status(host, State.FAILING, situation.hold.reason, situation.hold.until, own)
    if standing is not None and standing.reason:
        return Status(host, State.FAILING, standing.reason, standing.next_at, own)
    if valid and not due:
        return Status(host, State.OK, None, None, own)
    return Status(host, State.VERIFYING, None, None, own)


def _due(own: Certificate | None, standing: Standing, now: datetime) -> datetime:
    """When a name wants something to be tried."""
    if own is None or standing.renew:
        return standing.next_at
    return max(renew_at(own), standing.next_at)


def _methods(situation: Situation, host: str) -> tuple[Method, ...]:
    """How a name is proven: the second way is taken where the first one fails."""
    if is_wildcard(host):
        return _BY_DNS
    return (situation.method,) if situation.method else (Method.HTTP, Method.TLS)


def _added(situation: Situation, host: str, now: datetime) -> Certificate | None:
    """A certificate that somebody added and that is good for a name now: it comes first."""
    for each in situation.certificates:
        if not each.automatic and each.starts_at <= now < each.expires_at and covering(each, [host]):
            return each
    return None
