"""A fake of what the API asks of stacks: it notes what is asked of it, and says what a test wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hostd.code_stores import Moved, StackOutcome
from hostd.errors import Conflict
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.stacks import StackVersion
from hostd.ledger.users import User
from slugs.build_unit import Output


class FakeStacks:
    """The host stack, and those of the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.calls: list[tuple[Any, ...]] = []
        self.fails: Exception | None = None
        """Raised before anything is said if it is a Conflict, afterwards if it is anything else."""
        self.apps: dict[str, list[App]] = {}

    def names(self) -> list[str]:
        return ["host", *self._ledger.stacks.names()]

    def current(self, name: str) -> tuple[str, str]:
        return ("12.11", "debian-12") if name == "host" else (self._ledger.stacks.current(name) or "", name)

    def packages(self, name: str) -> dict[str, str] | None:
        return None if name == "host" else {"openssl": "3.0.16"}

    def apps_on(self, name: str) -> dict[str, list[App]]:
        return self.apps if name != "host" else {}

    async def create(self, name: str, *, user: User, output: Output) -> StackOutcome:
        return await self._change(("create", name, user.email), output, StackOutcome(f"{name}@20261121.1"))

    async def update(self, name: str, *, user: User, output: Output, force: bool = False) -> StackOutcome:
        moved = (Moved("hello", 3), Moved("world", 5, "v4 did not come up"))
        return await self._change(("update", name, force), output, StackOutcome(f"{name}@20261121.2", moved))

    async def switch(self, name: str, version: str | None, *, user: User, output: Output) -> StackOutcome:
        return await self._change(("switch", name, version), output, StackOutcome(f"{name}@20261121.1"))

    def destroy(self, name: str) -> Sequence[StackVersion]:
        self.calls.append(("destroy", name))
        return self._ledger.stacks.remove_all(name)

    async def _change(self, call: tuple[Any, ...], output: Output, outcome: StackOutcome) -> StackOutcome:
        self.calls.append(call)
        if isinstance(self.fails, Conflict):
            raise self.fails
        await output(b"-----> Making it\n")
        if self.fails is not None:
            raise self.fails
        return outcome
