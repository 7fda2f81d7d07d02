"""The stapler: keeps what authorities say of the apps' certificates (OCSP) where the router finds it, and fresh."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from cryptography import x509

from hostd.certificates import ocsp
from hostd.certificates.authorities import Authorities
from hostd.certificates.ocsp import Unfit
from hostd.certificates.shelf import Shelf
from hostd.fetching import Fetch, Unfetchable
from hostd.ledger.database import utc_now
from hostd.lookout import Lookout

log = logging.getLogger(__name__)

LOOK_SECONDS = 300.0
AGAIN, AGAIN_IF_REVOKED = timedelta(hours=1), timedelta(days=1)
"""After how long it is asked again when no answer was had that is good."""
AT_ONCE = 4
_NEVER = datetime.max.replace(tzinfo=UTC)


class Stapled(Protocol):
    """What is needed of a certificate that is served."""

    @property
    def content(self) -> str:
        """What the router calls it."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def chain(self) -> str:
        """PEM, the certificate itself first."""

    @property
    def expires_at(self) -> datetime:
        """Until when it is valid."""


Any = TypeVar("Any", bound=Stapled)


class Stapler(Generic[Any]):
    """Asks for all certificates that name somebody who can be asked.

    `certificates` are those that are served; `revoked` tells of one that is no good any more.
    """

    def __init__(
        self,
        *,
        certificates: Callable[[], Sequence[Any]],
        shelf: Shelf,
        authorities: Authorities,
        fetch: Fetch,
        revoked: Callable[[Any], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._certificates = certificates
        self._shelf = shelf
        self._authorities = authorities
        self._fetch = fetch
        self._revoked = revoked
        self._clock = clock
        self._due: dict[str, datetime] = {}
        self._lookout = Lookout("asking for OCSP answers", self.look, LOOK_SECONDS)

    def start(self) -> None:
        """Begin to ask."""
        self._lookout.start()

    async def close(self) -> None:
        """Stop."""
        await self._lookout.close()

    def nudge(self) -> None:
        """Say that there are other certificates."""
        self._lookout.nudge()

    async def look(self) -> float:
        """Ask for what is due; returns in how many seconds to look again."""
        known = {certificate.content: certificate for certificate in self._certificates()}
        self._due = {content: due for content, due in self._due.items() if content in known}
        now, few = self._clock(), asyncio.Semaphore(AT_ONCE)

        async def ask(certificate: Any) -> None:
            async with few:
                self._due[certificate.content] = await self._ask(certificate)

        due = [each for content, each in known.items() if self._due.get(content, now) <= now < each.expires_at]
        await asyncio.gather(*map(ask, due))
        return LOOK_SECONDS

    async def _ask(self, certificate: Any) -> datetime:
        """Ask for one; when to ask again."""
        leaf, *above = x509.load_pem_x509_certificates(certificate.chain.encode())
        place = ocsp.responder(leaf)
        issuer = above[0] if above else self._authorities.issuer(leaf)
        if place is None or issuer is None:
            return _NEVER
        try:
            answer = await self._fetch(ocsp.address(place, leaf, issuer), ocsp.KIND)
            until = ocsp.good_until(answer, leaf, issuer, self._clock())
            self._shelf.staple(certificate.content, answer, until.timestamp())
        except (Unfetchable, Unfit, OSError) as trouble:
            log.warning("no OCSP answer for the certificate %s from %s: %s", certificate.name, place, trouble)
            if isinstance(trouble, Unfit) and trouble.revoked:
                self._shelf.unstaple(certificate.content)
                self._revoked(certificate)
                return self._clock() + AGAIN_IF_REVOKED
            return self._clock() + AGAIN
        now = self._clock()
        return now + max((until - now) / 2, AGAIN)
