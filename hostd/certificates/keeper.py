"""The keeper of certificates: gives them to the router, and warns in time before they end."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from hostd.certificates.authorities import Authorities
from hostd.certificates.checking import Checked, Description, describe
from hostd.certificates.completing import judge
from hostd.certificates.matching import assign
from hostd.certificates.shelf import Shelf
from hostd.certificates.stapler import Stapler
from hostd.errors import HostdError
from hostd.events import Events, Subject
from hostd.fetching import Fetch
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.certificates import Certificate, content_of
from hostd.ledger.database import utc_now
from hostd.lookout import Lookout

log = logging.getLogger(__name__)

LOOK_SECONDS = 300.0
STAGES = (30, 14, 7, 3, 1, 0)
"""Days before its end at which the log says that a certificate expires; 0: that it has expired."""


@dataclass(frozen=True, slots=True)
class Own:
    """The platform's own certificate; `chain` is PEM."""

    chain: str
    name: str = "of the platform"

    @property
    def content(self) -> str:
        """What the router calls it."""
        return content_of(self.chain)

    @property
    def expires_at(self) -> datetime:
        """Until when it is valid."""
        return x509.load_pem_x509_certificate(self.chain.encode()).not_valid_after_utc


class CertificateKeeper:
    """Looks after all certificates.

    `hosts` gives the names of an app; `nudge` says that its route has to be made anew; `default` sees to it that the
    platform's own certificate is up to date and gives its chain as PEM; `fetch` gets what is at an address, of a kind.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        shelf: Shelf,
        events: Events,
        authorities: Authorities,
        hosts: Callable[[App], tuple[str, ...]],
        nudge: Callable[[str], None],
        default: Callable[[], str],
        fetch: Fetch,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.authorities = authorities
        self._ledger = ledger
        self._shelf = shelf
        self._events = events
        self._hosts = hosts
        self._nudge = nudge
        self._default = default
        self._clock = clock
        self._fetch = fetch
        self._lent: set[str] = set()
        self._own: Own | None = None
        self.stapler = Stapler[Certificate | Own](
            certificates=lambda: [*ledger.certificates.every(), *([self._own] if self._own else [])],
            shelf=shelf, authorities=authorities, fetch=fetch, revoked=self._revoked, clock=clock,
        )  # fmt: skip
        self._lookout = Lookout("looking after the certificates", self._look, LOOK_SECONDS)

    def stock(self) -> None:
        """Give the router what it may lack, before it gets a table that names it."""
        self._stock(self._ledger.certificates.every(), whole=True)

    def start(self) -> None:
        """Begin to watch."""
        self._lookout.start()
        self.stapler.start()

    async def close(self) -> None:
        """Stop."""
        await self.stapler.close()
        await self._lookout.close()

    async def judge(self, chain: str, key: str) -> Checked:
        """Whether a certificate can be served, in whatever order it comes; what is missing in its chain is fetched, if
        it can be. Raises Invalid, saying what is wrong.
        """
        return await judge(chain, key, now=self._clock(), authorities=self.authorities, fetch=self._fetch)

    def put(self, certificate: Certificate, *, whole: bool = False) -> bool:
        """Give the router a certificate with its key; with `whole` look into what it has. Whether it lacked it.

        Raises OSError.
        """
        table = self._ledger.certificates
        lacked = self._shelf.put(certificate.content, lambda: table.key(certificate) + certificate.chain, whole=whole)
        if lacked:
            self.stapler.nudge()
        return lacked

    def withdraw(self, certificate: Certificate) -> None:
        """Take from the router a certificate that its table does not name any more, unless another app has the same."""
        if all(each.content != certificate.content for each in self._ledger.certificates.every()):
            self._shelf.remove(certificate.content)
            self.stapler.nudge()

    @contextlib.contextmanager
    def lent(self, text: str) -> Iterator[str]:
        """Let the router have a key with its certificate (PEM) that is no app's, as long as this lasts; under which
        name. Raises OSError.
        """
        name = content_of(text)
        self._lent.add(name)
        try:
            self._shelf.put(name, lambda: text)
            yield name
        finally:
            self._shelf.remove(name)
            self._lent.remove(name)

    def served(self, app: App) -> Mapping[str, Certificate]:
        """The certificate with which each host of an app is served; without those that are served with the default."""
        return assign(self._ledger.certificates.list(app.id), self._hosts(app), self._clock())

    def platform(self) -> Description | None:
        """The platform's own certificate; None if there is none that can be read."""
        chain = self._default()
        return describe(chain, now=self._clock(), authorities=self.authorities) if chain else None

    def untrusted(self, app: App) -> list[str]:
        """The hosts of an app that browsers warn of."""
        now, served = self._clock(), self.served(app)
        trusted: dict[str, bool] = {}

        def is_trusted(host: str) -> bool:
            chain = served[host].chain if host in served else self._default()
            if chain not in trusted:
                trusted[chain] = describe(chain, now=now, authorities=self.authorities).trusted
            return trusted[chain]

        return [host for host in self._hosts(app) if not is_trusted(host)]

    def look(self) -> None:
        """Bring the router's directory up to date, and tell of certificates that end soon."""
        known = self._ledger.certificates.every()
        self._stock(known)
        chain = self._default()
        self._own = Own(chain) if chain else None
        own = {self._own.content} if self._own else set[str]()
        self._shelf.sweep({certificate.content for certificate in known} | own | self._lent)
        now = self._clock()
        for certificate in known:
            stage = stage_of(certificate.expires_at, now)
            if certificate.automatic and stage != 0:
                # It is renewed by itself, and what hinders that is told when it happens.
                continue
            if stage is not None and (certificate.warned_days is None or stage < certificate.warned_days):
                self._events.platform(Subject(certificate.app_id), "certs", warning(certificate, now))
                self._ledger.certificates.warned(certificate, stage)
                if stage == 0:
                    # Another one may be good for its hosts.
                    self._nudge(certificate.app_id)

    def _stock(self, known: Sequence[Certificate], *, whole: bool = False) -> None:
        for certificate in known:
            try:
                if self.put(certificate, whole=whole) and not whole:
                    self._nudge(certificate.app_id)
            except (OSError, HostdError) as error:
                # One that cannot be read must not keep all apps from being served.
                log.error("the certificate %s cannot be given to the router: %s", certificate.name, error)

    def _revoked(self, certificate: Certificate | Own) -> None:
        if isinstance(certificate, Own):
            log.error("the platform's own certificate has been revoked by its authority: browsers may refuse it")
            return
        told = f"The certificate {certificate.name} ({', '.join(certificate.names[:3])}) has been revoked"
        self._events.platform(Subject(certificate.app_id), "certs", f"{told} by its authority: browsers may refuse it.")

    async def _look(self) -> float:
        self.look()
        return LOOK_SECONDS


def stage_of(expires_at: datetime, now: datetime) -> int | None:
    """Which of the STAGES before its end a certificate has reached; None while that is far off."""
    left = expires_at - now
    return min((days for days in STAGES if left <= timedelta(days=days)), default=None)


def warning(certificate: Certificate, now: datetime) -> str:
    """`The certificate gentle-mesa-5445 (www.example.com) expires in 12 days, ...`."""
    names = ", ".join(certificate.names[:3]) + (", ..." if len(certificate.names) > 3 else "")
    left = certificate.expires_at - now
    ends = f"on {certificate.expires_at:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta(0):
        what = f"has expired {ends}: browsers refuse it"
    elif left < timedelta(days=1):
        what = f"expires within a day, {ends}"
    else:
        what = f"expires in {left.days} day{'s' * (left.days > 1)}, {ends}"
    if certificate.automatic:
        return f"The certificate {certificate.name} ({names}) {what}. Why there is no new one: hostctl certs:auto"
    return (
        f"The certificate {certificate.name} ({names}) {what}. "
        f"Put a new one in its place: hostctl certs:update CRT KEY --name {certificate.name}"
    )
