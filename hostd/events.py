"""The platform's own lines in an app's log: what people did (`heroku[api]`) and what became of its dynos.

The only store is the journal: a line is one entry of the namespace `hostd` whose fields say whose it is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from units.journal import JournalUnavailable

if TYPE_CHECKING:
    from hostd.ledger.releases import Release


_log = logging.getLogger(__name__)


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
    """What is needed of `units.journal.Writer`."""

    def send(self, message: str, **fields: str) -> None:
        """Write one journal entry."""


class Events:
    """Writes platform lines; one instance serves all apps."""

    def __init__(self, writer: Sender) -> None:
        self._writer = writer

    def api(self, app: Identified, text: str) -> None:
        """Say what a person did, such as `Scaled to web@2 by you@example.com`. Never with a config value in it."""
        self.platform(app, "api", text)

    def release(self, app: Identified, release: Release) -> None:
        """Say that a release was made: what it is, and its number. Whoever appends a release calls this, once."""
        self.api(app, f"{release.description} by {release.user_email}")
        self.api(app, f"Release v{release.version} created by {release.user_email}")

    def platform(self, app: Identified, process: str, text: str) -> None:
        """Say what the platform did to `process`, a dyno such as `web.1` or a component such as `api`."""
        try:
            self._writer.send(text, HOSTD_APP=app.id, HOSTD_SOURCE="heroku", HOSTD_PROCESS=process)
        except JournalUnavailable as error:
            # What a line tells has happened; that it cannot be told must not undo or stop it.
            _log.warning("%s; the line was: %s", error, text)
