"""The ends of one app's dynos: what its log is told of them, and that nothing is left of them."""

from __future__ import annotations

from collections.abc import Callable

from hostd.events import Subject
from hostd.faults import FaultPoint
from hostd.manager import words
from hostd.manager.boot import Trouble
from hostd.manager.dyno import DynoState
from hostd.manager.exits import Exit
from hostd.manager.launcher import STOP_SECONDS
from hostd.manager.planner import Phase, cool_off
from hostd.manager.record import Record
from hostd.manager.tools import Tools

_STEADY_SECONDS = 60.0
"""A dyno that was up this long has recovered: its next crash counts as the first."""


class Endings:
    """Ends dynos, and sees to those that have ended. `has_log` says whether the app, and so its log, is still there."""

    def __init__(self, app_id: str, tools: Tools, has_log: Callable[[], bool]) -> None:
        self._app_id = app_id
        self._subject = Subject(app_id)
        self._tools = tools
        self._has_log = has_log

    async def stop(self, record: Record) -> None:
        """SIGTERM to a dyno's processes, SIGKILL after STOP_SECONDS; returns when it is down."""
        self._say(record, "Stopping all processes with SIGTERM")
        asked = self._tools.clock()
        ended = await self._tools.launcher.terminate(record.id)
        self._tools.faults.reach(FaultPoint.STOPPED)
        if self._tools.clock() - asked >= STOP_SECONDS:
            self._say(record, *words.exit_timeout(STOP_SECONDS))
        self._down(record, f"Process exited with status {ended.status}")

    async def kill(self, record: Record, trouble: Trouble) -> Exit:
        """SIGKILL to a dyno's processes for a reason that is told; how it ended, which is by that reason."""
        self._say(record, *trouble.said)
        # From here on its end is not news: this is the reason that is to be told.
        record.phase = Phase.STOPPING
        self._tools.launcher.kill(record.id)
        ended = await self._tools.launcher.terminate(record.id)
        return Exit(ended.status, trouble.why)

    def stopped(self, record: Record, ended: Exit) -> None:
        """Somebody else has stopped a dyno."""
        self._down(record, *words.ended(ended))

    def crashed(self, record: Record, ended: Exit) -> None:
        """A dyno has ended by itself: when it may start anew depends on how often it has."""
        now = self._tools.clock()
        if record.state is DynoState.UP and now - record.since >= _STEADY_SECONDS:
            record.crashes = 0
        record.crashes += 1
        record.retry_at = now + cool_off(record.crashes, self._tools.settings.cool_off)
        record.exit_status, record.reason = ended.status, ended.reason
        self._tools.events.ended(self._subject, record.id.name, *words.ended(ended))
        record.phase = Phase.CRASHED
        self._say(record, record.move(DynoState.CRASHED, now))
        self.clear(record)

    def clear(self, record: Record) -> None:
        """Remove what is left of a dyno that has ended."""
        self._tools.launcher.remove(record.id, self._app_id if self._has_log() else None)

    def _down(self, record: Record, *lines: str) -> None:
        self._tools.events.ended(self._subject, record.id.name, *lines)
        self._say(record, record.move(DynoState.DOWN, self._tools.clock()))

    def _say(self, record: Record, *lines: str) -> None:
        for line in lines:
            self._tools.events.platform(self._subject, record.id.name, line)
