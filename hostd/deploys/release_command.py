"""The release command of a slug that was built before: released once more, uploaded, or promoted from another app."""

from __future__ import annotations

from collections.abc import Mapping

from hostd.deploys.push import unheard
from hostd.deploys.release_phase import ReleasePhase, size_of_release
from hostd.errors import Conflict
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.manager.manager import Manager
from slugs.errors import NoSuchStack
from slugs.stacks import HOST, Stacks, name_of


class ReleaseCommand:
    """Runs it with the config vars of now. Nobody listens: what it prints is in the app's log."""

    def __init__(self, ledger: Ledger, manager: Manager, events: Events, stacks: Stacks) -> None:
        self._ledger = ledger
        self._manager = manager
        self._events = events
        self._stacks = stacks

    async def run(self, app: App, slug_id: str, process_types: Mapping[str, str], stack: str) -> bytes | None:
        """Run the command that a slug's process types have, on the stack of that name; what it printed.

        None if there is no such command. Raises Conflict if it fails, or the stack is gone.
        """
        command = process_types.get("release")
        if command is None:
            return None
        current = self._ledger.releases.current(app.id)
        phase = ReleasePhase(app, unheard, self._events)
        status = await self._manager.one_offs.run_captured(
            app.id,
            command,
            slug_id=slug_id,
            stack=stack_for_slug(self._stacks, stack, current),
            config=current.config,
            type_="release",
            version=current.version + 1,
            hearer=phase,
            size=size_of_release(self._ledger, app.id),
        )
        if status != 0:
            raise Conflict(
                f"The release command failed with exit status {status}. What it printed: "
                f"hostctl logs -a {app.name} --dyno release"
            )
        return phase.output


def stack_for_slug(stacks: Stacks, name: str, current: Release) -> str:
    """What a release runs on whose slug was built for the stack `name`, when it follows the `current` one.

    Raises Conflict if there is no such stack.
    """
    if name != HOST and current.stack is not None and name_of(current.stack) == name:
        return current.stack
    try:
        return stacks.current(name).ref
    except NoSuchStack as error:
        raise Conflict(f"That release was built for the stack {name}, which is not here any more.") from error
