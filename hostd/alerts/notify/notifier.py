"""The notifier: takes a message to a target, by the way that the target says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from hostd.alerts.notify.targets import Target, Way

Message = Mapping[str, Any]
"""What is told: `text`, a sentence, and what `hostd.alerts.messages` has beside it."""


class NotSent(Exception):  # noqa: N818 - says what happened
    """A message did not arrive. The reason has no full stop and no secret; `final`: it never will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        self.reason = "".join(char if char.isprintable() else " " for char in reason)[:300]
        self.final = final
        super().__init__(self.reason)


class Sender(Protocol):
    """One way."""

    async def send(self, where: str, message: Message) -> None:
        """Take a message there; it took it when this returns. Raises NotSent."""


class Notifier:
    """Knows all ways."""

    def __init__(self, *, mail: Sender, https: Sender, programs: Sender) -> None:
        self._ways = {Way.MAIL: mail, Way.HTTPS: https, Way.EXEC: programs}

    async def send(self, target: Target, message: Message) -> None:
        """Take a message to a target. Raises NotSent."""
        await self._ways[target.way].send(target.where, message)
