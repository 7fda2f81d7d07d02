"""The keeper of automatic certificates: looks what is due, gets it, and remembers how it went.

Level-triggered: a domain that was added, the end of a try or a start of hostd only say that it is time to look. What is
tried is in the ledger before the authority is asked for anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from hostd.acme.certifying import Connect, by_acme
from hostd.acme.dealings import Dealings
from hostd.acme.failure import Failure
from hostd.acme.order import certificate_for
from hostd.acme.planner import NO_HOOK, Hold, Method, Obtain, Plan, Situation, Status, own_of, plan, statuses
from hostd.acme.showcase import Showcase
from hostd.acme.standings import Hindrance, begun, failed, hindrance, new, refreshed
from hostd.acme.terms import Terms
from hostd.certificates.checking import Checked
from hostd.certificates.keeper import CertificateKeeper
from hostd.dns import Check, DomainChecks
from hostd.errors import HostdError, Invalid, NotFound, RateLimited
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.acm import Standing
from hostd.ledger.apps import App
from hostd.ledger.database import utc_now
from hostd.lookout import Lookout

log = logging.getLogger(__name__)

LOOK_SECONDS = 300.0
"""How often everything is looked at although nothing was said and nothing is due."""
AT_ONCE = 4
"""Certificates that are being got at the same time."""


class AutomaticCertificates:
    """Gets the certificates of all apps that want them by themselves.

    `hosts` are the names of an app that want some, and `target` is where they should lead in the DNS; `route` tells the
    router of an app and returns when it knows.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        events: Events,
        certificates: CertificateKeeper,
        checks: DomainChecks,
        terms: Terms,
        hosts: Callable[[App], Sequence[str]],
        target: Callable[[App], str],
        route: Callable[[str], Awaitable[None]],
        connect: Connect = by_acme,
        clock: Callable[[], datetime] = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.terms = terms
        self._ledger = ledger
        self._events = events
        self._certificates = certificates
        self._checks = checks
        self._hosts = hosts
        self._target = target
        self._route = route
        self._clock = clock
        self._chance = chance
        self._dealings = Dealings(terms, ledger.acme_accounts, connect=connect, clock=clock, chance=chance)
        self._showcase = Showcase(route, certificates.lent, terms.hook, events, clock)
        self._tries: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._lookout = Lookout("looking for certificates that are due", self._look, LOOK_SECONDS)

    # What others ask

    def start(self) -> None:
        """Begin to look; the router must have its routes."""
        self._lookout.start()

    async def close(self) -> None:
        """Stop. What is being tried is broken off, and tried again by the next hostd."""
        await self._lookout.close()
        tries = list(self._tries.values())
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)

    def nudge(self) -> None:
        """Say that apps, domains or certificates have changed."""
        self._lookout.nudge()

    @property
    def hold(self) -> Hold | None:
        """Why nothing may be asked of the authority now."""
        return self._dealings.hold

    def challenges(self, app_id: str) -> Mapping[str, str]:
        """What the router answers to the authority for each name of an app that is being proven over HTTP."""
        return self._showcase.challenges(app_id)

    def proofs(self, app_id: str) -> Mapping[str, str]:
        """What the router calls the certificate that it shows to the authority for each name proven by TLS."""
        return self._showcase.proofs(app_id)

    def statuses(self, app: App) -> list[Status]:
        """How it stands with each name of an app; nothing if it gets no certificates by itself."""
        return statuses(self._situation(app), self._clock())

    def enable(self, app: App, method: Method | None = None) -> None:
        """Let an app get its certificates by itself, its names being proven in one way only, if that is given.

        Another way is tried at once. Raises Invalid if the admin has not made that possible.
        """
        if self.terms.refusal:
            raise Invalid(f"{self.terms.refusal[0].upper()}{self.terms.refusal[1:]}.")
        if method is Method.DNS and self.terms.hook is None:
            raise Invalid(f"With {method.value}, {NO_HOOK}.")
        before = self.method(app)
        self._ledger.acm.enable(app.id, method.value if method else None)
        if method is not before:
            self._try_now(app, self._ledger.acm.standings(app.id), force=True)
        self.nudge()

    def method(self, app: App) -> Method | None:
        """The only way by which the names of an app are proven; None for whichever does it."""
        kept = self._ledger.acm.challenge(app.id)
        return Method(kept) if kept else None

    async def disable(self, app: App) -> None:
        """Let an app get none any more, and drop those that it got."""
        self._ledger.acm.disable(app.id)
        for (app_id, _), task in list(self._tries.items()):
            if app_id == app.id:
                task.cancel()
        await self._look_at(app)

    def refresh(self, app: App, hostname: str | None = None, *, force: bool = False) -> None:
        """Try again now what waits; for one name, get a new certificate whatever there is.

        Not what was tried or got a short while ago, unless by force, and never what the authority forbids. Raises
        NotFound, Invalid, and RateLimited if that leaves nothing.
        """
        if not self._ledger.acm.enabled(app.id):
            raise Invalid(
                f"{app.name} does not get its certificates by itself. Let it: hostctl certs:auto:enable -a {app.name}"
            )
        hosts = self._hosts(app)
        if hostname is not None and hostname not in hosts:
            raise NotFound(f"{hostname} gets no certificate by itself. Those that do: hostctl certs:auto -a {app.name}")
        if hostname is not None:
            hindered = self._try_now(app, [hostname], force=force, renew=True)
        else:
            known = self._ledger.acm.standings(app.id)
            hindered = self._try_now(app, [host for host in hosts if host in known], force=force)
        if hindered:
            raise RateLimited(_too_soon(app, hindered))
        self.nudge()

    def _try_now(
        self, app: App, hosts: Collection[str], *, force: bool, renew: bool = False
    ) -> Mapping[str, Hindrance]:
        """Have names tried at once that nothing hinders; if that is none of them, what hinders each."""
        now, known, hindered = self._clock(), self._ledger.acm.standings(app.id), dict[str, Hindrance]()
        own = self._ledger.certificates.list(app.id) if renew else ()
        for host in hosts:
            standing = known.get(host) or new(app.id, host, now)
            why = hindrance(standing, own_of(own, host), now, force=force)
            if why is None:
                self._ledger.acm.put(refreshed(standing, now, renew=renew))
            else:
                hindered[host] = why
        return hindered if len(hindered) == len(hosts) else {}

    # Looking

    async def _look(self) -> float:
        """Begin what is due; returns in how many seconds something is due next."""
        apps = [self._ledger.apps.get(app_id) for app_id in self._ledger.acm.apps()]
        moments = await asyncio.gather(*map(self._look_at, apps))
        again = min((moment for moment in moments if moment is not None), default=None)
        return LOOK_SECONDS if again is None else max((again - self._clock()).total_seconds(), 0.0)

    async def _look_at(self, app: App) -> datetime | None:
        try:
            step = plan(self._situation(app), self._clock())
            if step.look_up:
                answers = await self._ask(app, step.look_up)
                # Meanwhile things may have changed.
                step = plan(replace(self._situation(app), answers=answers), self._clock())
            await self._do(app, step)
        except HostdError as error:
            log.warning("the certificates of app %s cannot be looked after now: %s", app.name, error)
            return None
        return step.again

    def _situation(self, app: App) -> Situation:
        return Situation(
            app_id=app.id,
            hosts=self._hosts(app) if self._ledger.acm.enabled(app.id) else (),
            certificates=self._ledger.certificates.list(app.id),
            standings=self._ledger.acm.standings(app.id),
            busy={host for app_id, host in self._tries if app_id == app.id},
            hold=self.hold,
            hook=self.terms.hook is not None,
            method=self.method(app),
        )

    async def _ask(self, app: App, hosts: Sequence[str]) -> Mapping[str, Check]:
        """Where these names lead, as far as the DNS says so in time."""
        target, before = self._target(app), self._clock()
        await self._checks.check_all(hosts, target)
        found = {host: self._checks.known(host, target) for host in hosts}
        return {host: check for host, check in found.items() if check is not None and check.at >= before}

    async def _do(self, app: App, step: Plan) -> None:
        for hostname in step.forget:
            self._ledger.acm.forget(app.id, hostname)
        known = self._ledger.acm.standings(app.id)
        for standing in step.note:
            self._ledger.acm.put(standing)
            before = known.get(standing.hostname)
            if before is None or before.reason != standing.reason:
                self._say(app, f"No certificate for {standing.hostname} yet: {standing.reason}.")
        for certificate in step.drop:
            self._ledger.certificates.remove(app.id, certificate.id)
            self._say(app, f"Dropped the certificate for {', '.join(certificate.names)}.")
        if step.drop:
            await self._route(app.id)
            for certificate in step.drop:
                self._certificates.withdraw(certificate)
        for wanted in step.obtain:
            if len(self._tries) >= AT_ONCE:
                # The end of a try is a nudge.
                break
            key = app.id, wanted.standing.hostname
            if key not in self._tries:
                self._tries[key] = asyncio.create_task(self._try(app, wanted))
                self._tries[key].add_done_callback(partial(self._ended, key))

    # Trying

    async def _try(self, app: App, wanted: Obtain) -> None:
        standing = wanted.standing
        try:
            self._ledger.acm.put(begun(standing, self._clock()))
            judged = await self._get(app, wanted)
            await self._take_in(app, wanted, judged)
        except Failure as failure:
            self._failed(app, wanted, failure)
        except asyncio.CancelledError:
            # hostd ends, or nobody wants it any more: no try of the name's.
            self._put_back(app, standing)
            raise
        except Exception as error:
            log.exception("getting a certificate for %s failed", standing.hostname)
            self._failed(app, wanted, Failure(f"something went wrong inside hostd ({type(error).__name__})"))

    def _ended(self, key: tuple[str, str], _task: asyncio.Task[None]) -> None:
        del self._tries[key]
        self.nudge()

    async def _get(self, app: App, wanted: Obtain) -> Checked:
        async with self._dealings.open() as authority:
            return await certificate_for(
                wanted.standing.hostname,
                wanted.methods,
                authority,
                showing=partial(self._showcase.showing, app),
                authorities=self._certificates.authorities,
                clock=self._clock,
            )

    async def _take_in(self, app: App, wanted: Obtain, judged: Checked) -> None:
        """Keep a certificate, and give it to the router, if it is still wanted."""
        hostname, old = wanted.standing.hostname, wanted.replaces
        with self._ledger.transaction():
            if not self._ledger.acm.enabled(app.id) or hostname not in self._hosts(self._ledger.apps.get(app.id)):
                # Whoever adds the name again, now, need not wait for the end of this try's patience.
                self._ledger.acm.forget(app.id, hostname)
                return
            table = self._ledger.certificates
            if old is not None and any(each.id == old.id for each in table.list(app.id)):
                made = table.update(app.id, old.id, judged)
            else:
                old, made = None, table.add(app.id, judged, automatic=True)
            self._ledger.acm.forget(app.id, hostname)
            self._dealings.well()
        with contextlib.suppress(OSError):
            # The keeper of certificates says so, and tries again.
            self._certificates.put(made)
        await self._route(app.id)
        if old is not None:
            self._certificates.withdraw(old)
        doing = "Renewed the" if old is not None else "Got a"
        self._say(app, f"{doing} certificate for {hostname}; it is good until {made.expires_at:%Y-%m-%d %H:%M} UTC.")

    def _failed(self, app: App, wanted: Obtain, failure: Failure) -> None:
        standing = wanted.standing
        self._dealings.failed(failure)
        if failure.general:
            log.warning("no certificate for %s: %s", standing.hostname, failure)
            self._put_back(app, standing)
            return
        if not self._current(app, standing):
            return
        after = failed(standing, failure, self._clock(), self._chance())
        self._ledger.acm.put(after)
        left = wanted.replaces
        still = f" The one that there is ends on {left.expires_at:%Y-%m-%d %H:%M} UTC." if left else ""
        again = f"Tried again at {after.next_at:%Y-%m-%d %H:%M} UTC."
        self._say(app, f"No certificate for {standing.hostname}: {failure}. {again}{still}", *failure.output)

    def _put_back(self, app: App, standing: Standing) -> None:
        """Leave a name as it was before the try."""
        if self._current(app, standing):
            self._ledger.acm.put(standing)

    def _current(self, app: App, standing: Standing) -> bool:
        return standing.hostname in self._ledger.acm.standings(app.id)

    def _say(self, app: App, *lines: str) -> None:
        for line in lines:
            self._events.platform(app, "certs", line)


def _too_soon(app: App, hindered: Mapping[str, Hindrance]) -> str:
    """Why nothing is refreshed: of the name that may be first."""
    host, first = min(hindered.items(), key=lambda each: each[1].until)
    by_force = f" At once: hostctl certs:auto:refresh {host} --force -a {app.name}" if first.forcible else ""
    return f"{host} is not refreshed before {first.until:%Y-%m-%d %H:%M} UTC: {first.reason}.{by_force}"
