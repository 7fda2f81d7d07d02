"""Showcase: where the authority finds the proofs: on the router, or in the DNS."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime

from cryptography.x509 import ObjectIdentifier, UnrecognizedExtension

from hostd.acme.certifying import Proof
from hostd.acme.failure import Failure
from hostd.acme.hook import Hook
from hostd.acme.planner import Method
from hostd.certificates.pem import key_text
from hostd.certificates.requests import new_key, self_signed, subject_of
from hostd.events import Events
from hostd.ledger.apps import App
from router.table import CHALLENGE

Lend = Callable[[str], contextlib.AbstractContextManager[str]]
"""Lets the router have a key with its certificate for as long as the context lasts; under which name."""
_ACME_IDENTIFIER = ObjectIdentifier("1.3.6.1.5.5.7.1.31")
_OCTET_STRING = b"\x04\x20"
"""What stands in DER before 32 octets."""


class Showcase:
    """What is shown now. `route` tells the router of an app and returns when it knows."""

    def __init__(
        self,
        route: Callable[[str], Awaitable[None]],
        lend: Lend,
        hook: Hook | None,
        events: Events,
        clock: Callable[[], datetime],
    ) -> None:
        self._route = route
        self._lend = lend
        self._hook = hook
        self._events = events
        self._clock = clock
        self._texts: dict[str, dict[str, str]] = {}
        self._certificates: dict[str, dict[str, str]] = {}

    def challenges(self, app_id: str) -> Mapping[str, str]:
        """What the router answers to the authority for each name of an app that is being proven over HTTP."""
        return dict(self._texts.get(app_id, {}))

    def proofs(self, app_id: str) -> Mapping[str, str]:
        """What the router calls the certificate that it shows to the authority for each name proven by TLS."""
        return dict(self._certificates.get(app_id, {}))

    @contextlib.asynccontextmanager
    async def showing(self, app: App, method: Method, proof: Proof) -> AsyncIterator[None]:
        """Show a proof for as long as this lasts. Raises Failure."""
        ways = {Method.HTTP: self._over_http, Method.TLS: self._in_certificate, Method.DNS: self._in_dns}
        async with ways[method](app, proof):
            yield

    @contextlib.asynccontextmanager
    async def _over_http(self, app: App, proof: Proof) -> AsyncIterator[None]:
        if not CHALLENGE.fullmatch(proof.authorization):
            # The router would refuse the whole table for it.
            raise Failure("the authority wants to see something that is no proof", general=True)
        async with self._on_router(self._texts, app, proof.name, proof.authorization):
            yield

    @contextlib.asynccontextmanager
    async def _in_certificate(self, app: App, proof: Proof) -> AsyncIterator[None]:
        with self._lend(certificate_of(proof, self._clock())) as known:
            async with self._on_router(self._certificates, app, proof.name, known):
                yield

    @contextlib.asynccontextmanager
    async def _on_router(
        self, shown: dict[str, dict[str, str]], app: App, name: str, what: str
    ) -> AsyncIterator[None]:
        shown.setdefault(app.id, {})[name] = what
        try:
            await self._route(app.id)
            yield
        finally:
            del shown[app.id][name]
            if not shown[app.id]:
                del shown[app.id]
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


def certificate_of(proof: Proof, now: datetime) -> str:
    """A proof as a key and a certificate that signs itself (RFC 8737, 3), PEM."""
    digest = hashlib.sha256(proof.authorization.encode()).digest()
    identifier = UnrecognizedExtension(_ACME_IDENTIFIER, _OCTET_STRING + digest)
    key = new_key()
    return key_text(key) + self_signed(key, subject_of(proof.name), [proof.name], now=now, days=1, more=[identifier])
