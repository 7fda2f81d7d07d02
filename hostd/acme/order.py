"""Order: one certificate's way from the wish to the chain, step by step; the effects are its caller's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial

from hostd.acme.certifying import Certifying, Proof
from hostd.acme.failure import Failure
from hostd.acme.planner import Method
from hostd.acme.threads import in_thread
from hostd.certificates.authorities import Authorities
from hostd.certificates.checking import Checked, check
from hostd.certificates.pem import key_text
from hostd.certificates.requests import new_key, signing_request, subject_of
from hostd.errors import Invalid

LONGEST = 480.0
"""Seconds for all of it, the record in the DNS included. (`standings.LONGEST_TRY` is longer.)"""


Showing = Callable[[Method, Proof], AbstractAsyncContextManager[None]]
"""Lets the world see a proof for as long as the context lasts."""


async def certificate_for(
    hostname: str,
    methods: Sequence[Method],
    authority: Certifying,
    *,
    showing: Showing,
    authorities: Authorities,
    clock: Callable[[], datetime],
    limit: float = LONGEST,
) -> Checked:
    """Get a certificate with a new key for one name, which is proven by the first method that can. Raises Failure."""
    key = new_key()
    request = signing_request(key, subject_of(""), [hostname])
    try:
        async with asyncio.timeout(limit):
            await _proven(request, methods, authority, showing)
            chain = await in_thread(authority.finish)
    except TimeoutError as error:
        raise Failure(f"the authority did not see the proof within {limit:g} seconds") from error
    try:
        judged = check(chain, key_text(key), now=clock(), authorities=authorities)
    except Invalid as error:
        raise Failure(f"the authority gave a certificate that is none: {error.message}", general=True) from error
    if hostname not in judged.names:
        raise Failure(f"the authority gave a certificate for {', '.join(judged.names)}", general=True)
    return judged


async def _proven(request: str, methods: Sequence[Method], authority: Certifying, showing: Showing) -> None:
    """Order a certificate, and prove that its names are ours. Raises Failure."""
    doubts: list[str] = []
    for method in methods:
        # An order is spoilt by a proof that is not believed.
        await in_thread(partial(authority.order, request))
        try:
            for proof in authority.proofs(method):
                async with showing(method, proof):
                    await in_thread(partial(authority.look, proof))
                    while wait := await in_thread(partial(authority.believes, proof)):
                        await asyncio.sleep(wait)
        except Failure as failure:
            if not failure.unproven or failure.retry_at or len(methods) == 1:
                raise
            doubts.append(f"by {method.value}: {failure.reason}")
        else:
            return
    raise Failure("; ".join(doubts))
