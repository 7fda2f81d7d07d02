"""Showcase: where the authority finds the proofs: on the router, or in the DNS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from hostd.acme.certifying import Proof
from hostd.acme.failure import Failure
from hostd.acme.hook import Hook
from hostd.acme.planner import Method
from hostd.events import Events
from hostd.ledger.apps import App
from router.table import CHALLENGE


class Showcase:
    """What is shown now. `route` tells the router of an app and returns when it knows."""

    def __init__(self, route: Callable[[str], Awaitable[None]], hook: Hook | None, events: Events) -> None:
        self._route = route
        self._hook = hook
        self._events = events
        self._shown: dict[str, dict[str, str]] = {}

    def challenges(self, app_id: str) -> Mapping[str, str]:
        """What the router answers to the authority for each name of an app that is being proven."""
        return dict(self._shown.get(app_id, {}))

    @contextlib.asynccontextmanager
    async def showing(self, app: App, method: Method, proof: Proof) -> AsyncIterator[None]:
        """Show a proof for as long as this lasts. Raises Failure."""
        async with self._in_dns(app, proof) if method is Method.DNS else self._on_router(app, proof):
            yield

    @contextlib.asynccontextmanager
    async def _on_router(self, app: App, proof: Proof) -> AsyncIterator[None]:
        if not CHALLENGE.fullmatch(proof.authorization):
            # The router would refuse the whole table for it.
            raise Failure("the authority wants to see something that is no proof", general=True)
        self._shown.setdefault(app.id, {})[proof.name] = proof.authorization
        try:
            await self._route(app.id)
            yield
        finally:
            del self._shown[app.id][proof.name]
            if not self._shown[app.id]:
                del self._shown[app.id]
            await self._route(app.id)

    @contextlib.asynccontextmanager
    async def _in_dns(self, app: App, proof: Proof) -> AsyncIterator[None]:
        assert self._hook is not None, "the planner wants no record without a program for it"
        try:
            await self._hook.add(proof.place, proof.record)
            yield
        finally:
            try:
                await self._hook.remove(proof.place, proof.record)
            except Failure as failure:
                # The certificate is no worse for it.
                for line in (f"The record at {proof.place} is not removed: {failure}.", *failure.output):
                    self._events.platform(app, "certs", line)
