"""What the tests of automatic certificates run on: an app, the real ledger, and an authority that speaks to nobody."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from acme_fakes import DIRECTORY, FakeAuthority, FakeClock
from daemon_fakes import FakeNames
from ledger_kit import open_ledger
from tls_kit import NOW, nothing_fetched

from hostd.acme.failure import Failure
from hostd.acme.hook import Hook
from hostd.acme.keeper import AutomaticCertificates
from hostd.acme.terms import Terms
from hostd.certificates.authorities import Authorities
from hostd.certificates.keeper import CertificateKeeper
from hostd.certificates.shelf import Shelf
from hostd.dns import DomainChecks, Found
from hostd.events import Events

NAME, WILD, TARGET = "www.example.com", "*.example.com", "hello.apps.example.net"
OURS = Found(("192.0.2.1",), apex=False)
MINUTE = timedelta(minutes=1)


class FakeHook(Hook):
    """Keeps what it is to put into the DNS; may refuse."""

    records: list[tuple[str, ...]] = []
    refusal: Failure | None = None

    async def _call(self, *words: str) -> None:
        type(self).records.append(words)
        if self.refusal and words[0] == "add":
            raise self.refusal


class Scene:
    """An app with names that lead where the test says, and a clock that the test sets."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.ledger = open_ledger(folder / "master")
        self.user = self.ledger.users.add("kate@example.com", admin=True)
        self.app = self.ledger.apps.create("hello", self.user.id)
        (folder / "tls").mkdir(exist_ok=True)
        self.lines: list[str] = []
        self.routes: list[dict[str, str]] = []
        self.names = FakeNames()
        self.names.known = {TARGET: OURS, NAME: OURS}
        self.clock = FakeClock(NOW)
        self.authority = FakeAuthority(self.clock)

    def send(self, message: str, **fields: str) -> None:
        self.lines.append(message)

    async def route(self, app_id: str) -> None:
        self.routes.append({**self.keeper.challenges(app_id), **self.keeper.proofs(app_id)})

    @asynccontextmanager
    async def running(self, *, start: bool = True, **terms):
        self.certificates = CertificateKeeper(
            ledger=self.ledger, shelf=Shelf(self.folder / "tls", None), events=Events(self),
            authorities=Authorities(self.folder / "none"), hosts=lambda app: (), nudge=lambda app_id: None,
            default=str, fetch=nothing_fetched, clock=self.clock,
        )  # fmt: skip
        self.keeper = AutomaticCertificates(
            ledger=self.ledger,
            events=Events(self),
            certificates=self.certificates,
            checks=DomainChecks(self.names, "apps.example.net", lambda: ["192.0.2.1"], self.clock),
            terms=Terms(**{"directory": DIRECTORY, "contact": "kate@example.com", "accepted": True} | terms),
            hosts=lambda app: [domain.hostname for domain in self.ledger.domains.list(app.id)],
            target=lambda app: TARGET,
            route=self.route,
            connect=self.authority,
            clock=self.clock,
            chance=lambda: 0.5,
        )
        if start:
            self.keeper.start()
        try:
            yield self.keeper
        finally:
            await self.keeper.close()

    def domain(self, name: str) -> None:
        self.ledger.domains.add(self.app.id, name, self.user)
        self.keeper.nudge()

    @property
    def own(self):
        return [each for each in self.ledger.certificates.list(self.app.id) if each.automatic]

    @property
    def states(self):
        return {status.hostname: status.state for status in self.keeper.statuses(self.app)}

    async def until(self, condition) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)

    async def at(self, moment) -> None:
        """Set the clock, and let the keeper look."""
        self.clock.at = moment
        self.keeper.nudge()
