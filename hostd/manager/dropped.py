"""What journald dropped of a dyno that wrote too much (L12), told also when the dyno never writes again.

journald counts the lines that it drops of a unit, and tells the number before the unit's next line, once the time has
passed over which it counts. A dyno that has ended writes no other line. So a unit of the same name writes one: its
own limit is for a microsecond, which has passed, and journald tells what it had counted. It stays until journald has
read the line: of a unit that is gone journald would take its own limit, and tell nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from hostd.journals import namespace
from units.errors import SystemdError, UnitExists
from units.journal import JournalUnavailable
from units.journal_pace import LOG_RATE_SECONDS, wrote_much
from units.systemd import Systemd

log = logging.getLogger(__name__)

DESCRIPTION = "Has journald tell what it dropped"
_AT_ONCE = 2
_COMMAND = ["/bin/echo", "The dyno has ended; what was dropped of its lines is counted above."]


class Dropped:
    """Sees to the lines that were dropped of dynos which have ended; each may log `rate` lines a second.

    `synchronize` waits for what the journal of a namespace was sent, `is_starting` says whether a dyno's unit is about
    to be started.
    """

    def __init__(
        self,
        systemd: Systemd,
        rate: int,
        synchronize: Callable[[str], Awaitable[None]],
        is_starting: Callable[[str], bool],
        much: Callable[[str, str, int, float], bool] = wrote_much,
    ) -> None:
        self._systemd = systemd
        self._rate = rate
        self._synchronize = synchronize
        self._is_starting = is_starting
        self._much = much
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._speaking: set[str] = set()
        """Units that were started here and are to be put away again."""

    def ended(self, unit: str, app_id: str) -> None:
        """See to a dyno's unit, which was removed; nobody waits for it."""
        if self._rate:
            task = asyncio.get_running_loop().create_task(self._see_to(unit, namespace(app_id)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def make_way(self, unit: str) -> None:
        """A dyno's unit is about to be started: whatever has its name is put away by who does that."""
        self._speaking.discard(unit)

    async def close(self) -> None:
        """Leave the rest as it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _see_to(self, unit: str, journal: str) -> None:
        async with self._turns:
            try:
                await self._synchronize(journal)
                lines = self._rate * LOG_RATE_SECONDS
                if not await asyncio.to_thread(self._much, journal, unit, lines, float(LOG_RATE_SECONDS)):
                    return
                if not self._is_starting(unit):
                    await self._speak(unit, journal)
            except UnitExists:
                log.debug("%s runs again: it will hear itself of what was dropped", unit)
            except (SystemdError, JournalUnavailable, OSError) as error:
                log.warning("how many lines of %s were dropped cannot be told: %s", unit, error)

    async def _speak(self, unit: str, journal: str) -> None:
        self._speaking.add(unit)
        try:
            await self._systemd.start(unit, last_word(journal))
            await self._synchronize(journal)
        except UnitExists:
            self._speaking.discard(unit)
            raise
        finally:
            if unit in self._speaking:
                self._speaking.discard(unit)
                self._systemd.unref(unit)


def last_word(journal: str) -> dict[str, Any]:
    """The unit that has a dyno's name for a moment. It has none of the fields of a line: it is in no app's log."""
    return {
        "Description": DESCRIPTION,
        "Type": "oneshot",
        "RemainAfterExit": True,
        "ExecStart": [(_COMMAND[0], _COMMAND, False)],
        "CollectMode": "inactive-or-failed",
        "StandardInput": "null",
        "StandardOutput": "journal",
        "StandardError": "journal",
        "SyslogLevelPrefix": False,
        "LogNamespace": journal,
        # systemd leaves the dyno's own behind, which would make it a line of the app's (units/leftovers.py).
        "LogExtraFields": [b"HOSTD_LAST_WORD=1"],
        "LogRateLimitIntervalUSec": 1,
        "LogRateLimitBurst": 1,
        "User": "nobody",
        "NoNewPrivileges": True,
        "PrivateNetwork": True,
    }
