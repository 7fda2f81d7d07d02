"""One deploy at a time for each app: a lease that lives in this process and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hostd.errors import Busy


@dataclass(frozen=True, slots=True)
class _Lease:
    doing: str
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class DeployLocks:
    """Who is deploying which app. In memory only, so that no lock can outlive its holder."""

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}

    def holder(self, app_id: str) -> str | None:
        """What is going on, such as ``kate@example.com is deploying 20a5742``; None if nothing is."""
        lease = self._leases.get(app_id)
        return lease.doing if lease else None

    async def free(self, app_id: str) -> None:
        """Wait until nobody holds the app's lock."""
        while lease := self._leases.get(app_id):
            await lease.ended.wait()

    @contextmanager
    def hold(self, app_id: str, doing: str) -> Iterator[None]:
        """Hold the app's lock. Raises Busy, naming the holder, if somebody else has it."""
        holder = self.holder(app_id)
        if holder is not None:
            raise Busy(f"{holder}. Wait until that is done, then try again.")
        lease = self._leases[app_id] = _Lease(doing)
        try:
            yield
        finally:
            del self._leases[app_id]
            lease.ended.set()
