"""The platform's own lines in an app's log: what people did (`heroku[api]`) and what became of its dynos.

The only store is the journal: a line is one entry of the app's namespace whose fields say what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hostd.ends import Ends, Synchronize
from hostd.journals import namespace
from hostd.relay import Opened, Relay
from units import journal_sender

if TYPE_CHECKING:
    from hostd.ledger.releases import Release


class Identified(Protocol):
    """Anything that says which app is meant: an `App`, or a `Subject` where only the id is at hand."""

    @property
    def id(self) -> str:
        """The app's id."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An app of which only the id is known."""

    id: str


class Sender(Protocol):
    """What is needed of `hostd.writers.Writers`."""

    def send(self, message: str, **fields: str) -> None:
        """Write one entry to the journal of the app that its `HOSTD_APP` says; never waits."""


async def _at_once(_app_id: str) -> None:
    """What is asked of a journal that has everything the moment it is sent."""


def _sender(app_id: str) -> Opened:
    return journal_sender.Sender(namespace(app_id))


class Events:
    """Writes platform lines; one instance serves all apps.

    `synchronize` asks an app's journal for what it has, `open_sender` opens it for what an app's process printed.
    """

    def __init__(
        self,
        writer: Sender,
        synchronize: Synchronize = _at_once,
        open_sender: Callable[[str], Opened] = _sender,
    ) -> None:
        self._writer = writer
        self._open_sender = open_sender
        self._ends = Ends(self._say, synchronize)
        self.heard: Callable[[str, str, str], None] = lambda app_id, process, text: None
        """Told of each platform line: the app's id, of which process, and the text."""

    def api(self, app: Identified, text: str) -> None:
        """Say what a person did, such as `Scaled to web@2 by you@example.com`. Never with a config value in it."""
        self.platform(app, "api", text)

    def release(self, app: Identified, release: Release) -> None:
        """Say that a release was made: what it is, and its number. Whoever appends a release calls this, once."""
        self.api(app, f"{release.description} by {release.user_email}")
        self.api(app, f"Release v{release.version} created by {release.user_email}")

    def platform(self, app: Identified, process: str, text: str) -> None:
        """Say what the platform did to `process`, a dyno such as `web.1` or a component such as `api`."""
        if not self._ends.hold(app.id, process, text):
            self._say(app.id, process, text)

    def ended(self, app: Identified, process: str, *lines: str) -> None:
        """Say how a dyno ended, behind all that it wrote: as soon as journald has it, and what is said of it later."""
        self._ends.add(app.id, process, lines)

    def relay(self, app: Identified, process: str) -> Relay:
        """The way to the log for what an app's own process prints that came to hostd instead of to the journal."""
        return Relay(self._open_sender(app.id), app.id, process, heard=self.heard)

    async def close(self) -> None:
        """Say what waits for journald still."""
        await self._ends.close()

    def _say(self, app_id: str, process: str, text: str) -> None:
        self.heard(app_id, process, text)
        self._writer.send(text, HOSTD_APP=app_id, HOSTD_SOURCE="heroku", HOSTD_PROCESS=process)
