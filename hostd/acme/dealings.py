"""Dealings with the authority: our account there, made when it is first needed, and when we leave it alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from functools import partial

from hostd.acme.certifying import Certifying, Connect, by_acme
from hostd.acme.failure import Failure
from hostd.acme.planner import Hold
from hostd.acme.standings import pause_after
from hostd.acme.terms import Terms
from hostd.acme.threads import in_thread
from hostd.certificates.pem import key_text
from hostd.certificates.requests import new_key
from hostd.ledger.acme_accounts import AcmeAccounts

FIRST_HOLD, LONGEST_HOLD = timedelta(minutes=1), timedelta(hours=1)
"""How long an authority is left alone that cannot be asked; each further failure doubles it."""
LONGEST_LIMIT = timedelta(minutes=10)
"""How long all names wait when one was refused because of too many requests; that one waits as long as it was told."""


class Dealings:
    """What is between the authority and us. All of it is in the ledger, and outlives hostd."""

    def __init__(
        self,
        terms: Terms,
        accounts: AcmeAccounts,
        *,
        connect: Connect = by_acme,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
    ) -> None:
        self.terms = terms
        self._accounts = accounts
        self._connect = connect
        self._clock = clock
        self._chance = chance
        self._registering = asyncio.Lock()

    @property
    def hold(self) -> Hold | None:
        """Why nothing may be asked now."""
        if self.terms.refusal:
            return Hold(self.terms.refusal)
        account = self._accounts.get(self.terms.directory)
        if account is None or account.next_at is None or account.next_at <= self._clock():
            return None
        return Hold(account.reason or "the authority wants to be left alone", account.next_at)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Certifying]:
        """The authority, ready for an order. Raises Failure."""
        key, account = await self._account()
        # The first time much has to be loaded.
        authority = await in_thread(partial(self._connect, self.terms.directory, key, account))
        try:
            yield authority
        finally:
            authority.close()

    def well(self) -> None:
        """It did what was asked for."""
        account = self._accounts.get(self.terms.directory)
        if account is not None and account.next_at is not None:
            self._accounts.hold(self.terms.directory, None, None, 0)

    def failed(self, failure: Failure) -> None:
        """Something went wrong: leave it alone for a while, unless it was because of a name alone."""
        account, now = self._accounts.get(self.terms.directory), self._clock()
        if account is None:
            return
        if failure.unknown:
            self._accounts.registered(self.terms.directory, None)
        if account.next_at is not None and account.next_at > now:
            # Of several tries at once the first one's failure counts.
            return
        if failure.general:
            pause = pause_after(account.failures + 1, FIRST_HOLD, LONGEST_HOLD, self._chance())
            until = max(now + pause, failure.retry_at or now)
            self._accounts.hold(self.terms.directory, failure.reason, until, account.failures + 1)
        elif failure.retry_at is not None:
            until = min(failure.retry_at, now + LONGEST_LIMIT)
            self._accounts.hold(self.terms.directory, failure.reason, until, account.failures)

    async def _account(self) -> tuple[str, str]:
        """The key of our account, and what the authority calls it."""
        directory = self.terms.directory
        async with self._registering:
            account = self._accounts.get(directory) or self._accounts.make(directory, key_text(new_key()))
            key = self._accounts.key(account)
            if account.uri is not None:
                return key, account.uri
            authority = await in_thread(partial(self._connect, directory, key, None))
            try:
                uri = await in_thread(partial(authority.register, self.terms.contact))
            finally:
                authority.close()
            self._accounts.registered(directory, uri)
            return key, uri
