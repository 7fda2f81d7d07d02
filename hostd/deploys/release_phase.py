"""The release command of a deploy: what it prints goes to the pusher, into the app's log, and into the release."""

from __future__ import annotations

from hostd.deploys.echo import Echo
from hostd.deploys.transcript import Indent
from hostd.events import Events, Identified
from hostd.ledger import Ledger
from hostd.relay import Relay
from slugs.build_unit import Output

KEPT = 1024 * 1024
"""Bytes of the output that are kept with the release: its end."""


class ReleasePhase:
    """Hears a release command (`hostd.manager.capture.Hearer`)."""

    def __init__(self, app: Identified, say: Output, events: Events) -> None:
        """`say` takes a piece of the transcript."""
        self._app = app
        self._say = say
        self._events = events
        self._indent = Indent()
        self._kept = bytearray()
        self._relay: Relay | None = None
        self._echo: Echo | None = None

    @property
    def output(self) -> bytes:
        """What it printed, as far as it is kept."""
        return bytes(self._kept[-KEPT:])

    def begins(self, process: str) -> None:
        """Its output is that of `process`."""
        self._relay = self._events.relay(self._app, process)
        self._echo = Echo(self._relay.say)

    async def hear(self, piece: bytes) -> None:
        """Take what it printed just now."""
        self._kept += piece
        if len(self._kept) > 2 * KEPT:
            del self._kept[:-KEPT]
        if self._echo is not None:
            self._echo.hear(piece)
        await self._say(self._indent(piece))

    async def ends(self) -> None:
        """It has printed all."""
        if self._echo is not None and self._relay is not None:
            self._echo.end()
            await self._relay.end()
        await self._say(self._indent.end())


def size_of_release(ledger: Ledger, app_id: str) -> str | None:
    """The dyno size that somebody has chosen for the release command (`ps:type release=standard-2x`), if any."""
    chosen = ledger.formation.get(app_id).get("release")
    return chosen.size if chosen else None
