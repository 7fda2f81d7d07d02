"""One deploy at a time for each app: a lease that lives in this process and ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hostd.errors import Busy


class DeployLocks:
    """Who is deploying which app. In memory only, so that no lock can outlive its holder."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def holder(self, app_id: str) -> str | None:
        """What is going on, such as ``kate@example.com is deploying 20a5742``; None if nothing is."""
        return self._holders.get(app_id)

    @contextmanager
    def hold(self, app_id: str, doing: str) -> Iterator[None]:
        """Hold the app's lock. Raises Busy, naming the holder, if somebody else has it."""
        holder = self.holder(app_id)
        if holder is not None:
            raise Busy(f"{holder}. Wait until that is done, then try again.")
        self._holders[app_id] = doing
        try:
            yield
        finally:
            del self._holders[app_id]
