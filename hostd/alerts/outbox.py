"""The outbox: takes what was written down to be told to its receivers, and tries again what did not arrive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hostd.alerts.notify.notifier import Notifier, NotSent
from hostd.alerts.notify.targets import Target, parse
from hostd.errors import HostdError
from hostd.events import Events, Subject
from hostd.ledger import Ledger
from hostd.ledger.alert_firings import Notice
from hostd.ledger.alerts import Alert
from hostd.ledger.database import utc_now
from hostd.lookout import Lookout

log = logging.getLogger(__name__)

PAUSES = (10, 30, 120, 600, 1800, 3600, 7200)
"""Seconds from a try that failed to the next; after the last there is one more."""
PROCESS = "alerts"
"""Who says it in an app's log."""
_LOOK_SECONDS = 60.0
_LOST_SECONDS = 60
"""After how long it is tried again if hostd was killed while it was on its way."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try went, and how many seconds it took; `reason` is None if it arrived."""

    target: Target
    reason: str | None
    seconds: float


class Outbox:
    """Sends notices: to each target one after the other, in their order; to different ones side by side."""

    def __init__(
        self, *, ledger: Ledger, events: Events, notifier: Notifier, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._ledger = ledger
        self._events = events
        self._notifier = notifier
        self._clock = clock
        self._trying: dict[int, asyncio.Task[None]] = {}
        self._lookout = Lookout("sending alerts", self._look, _LOOK_SECONDS)

    def start(self) -> None:
        """Begin; what an earlier hostd did not send is sent."""
        self._lookout.start()

    async def close(self) -> None:
        """Stop; what is on its way is tried again by the next hostd."""
        await self._lookout.close()
        for task in self._trying.values():
            task.cancel()
        await asyncio.gather(*self._trying.values(), return_exceptions=True)

    def nudge(self) -> None:
        """Say that there is something to be sent. What is for the log is said at once."""
        self._say_all()
        self._lookout.nudge()

    async def test(self, alert: Alert, message: Mapping[str, Any]) -> list[Tried]:
        """Send a message to all targets of an alert now, once, and tell how that went."""
        return list(await asyncio.gather(*(self._tried(parse(text), message) for text in alert.targets)))

    def say(self, alert: Alert, text: str) -> None:
        """Say something of an alert: in its app's log, or in hostd's own."""
        if alert.app_id is None:
            log.warning("%s", text)
        else:
            self._events.platform(Subject(alert.app_id), PROCESS, text)

    async def _look(self) -> float:
        self._say_all()
        waits = [_LOOK_SECONDS]
        for notice in self._ledger.alert_firings.waiting():
            if notice.sequence not in self._trying and notice.next_at is not None:
                wait = (notice.next_at - self._clock()).total_seconds()
                # A clock that was put back must not make it wait for longer than it ever would.
                if 0 < wait <= max(PAUSES):
                    waits.append(wait)
                elif len(self._trying) < _AT_ONCE:
                    self._begin(notice)
        return min(waits)

    def _begin(self, notice: Notice) -> None:
        task = asyncio.create_task(self._deliver(notice), name=f"sending alert {notice.id}")
        self._trying[notice.sequence] = task

        def done(_: asyncio.Task[None]) -> None:
            self._trying.pop(notice.sequence, None)
            self._lookout.nudge()

        task.add_done_callback(done)

    async def _deliver(self, notice: Notice) -> None:
        try:
            alert = self._ledger.alerts.of_id(notice.alert_id)
            if alert is None:
                return
            self._ledger.alert_firings.trying(notice, self._clock() + timedelta(seconds=_LOST_SECONDS))
            target = parse(alert.targets[notice.target])
            try:
                await self._notifier.send(target, {"id": notice.id, **notice.message})
            except NotSent as error:
                self._failed(alert, target, notice, error)
            else:
                self._ledger.alert_firings.sent(notice)
        except HostdError as error:
            # A ledger that cannot be written now: it is tried again.
            log.warning("an alert could not be sent, which is tried again: %s", error)
        except Exception:
            # Nobody waits for this task: what it does not log itself nobody would ever hear of.
            log.exception("an alert could not be sent, which is tried again")

    def _failed(self, alert: Alert, target: Target, notice: Notice, error: NotSent) -> None:
        given_up = error.final or notice.tries >= len(PAUSES)
        next_at = None if given_up else self._clock() + timedelta(seconds=PAUSES[notice.tries])
        self._ledger.alert_firings.failed(notice, next_at, error.reason)
        what = f"Alert {alert.condition} could not be sent to {target}: {error.reason}"
        if given_up:
            tries = notice.tries + 1
            self.say(alert, f"{what}. It is given up{f' after {tries} tries' if tries > 1 else ''}")
        elif notice.tries == 0:
            self.say(alert, f"{what}. It is tried again for {sum(PAUSES) // 3600} hours")

    async def _tried(self, target: Target, message: Mapping[str, Any]) -> Tried:
        began = asyncio.get_running_loop().time()
        try:
            await self._notifier.send(target, message)
            reason = None
        except NotSent as error:
            reason = error.reason
        return Tried(target, reason, asyncio.get_running_loop().time() - began)

    def _say_all(self) -> None:
        for notice in self._ledger.alert_firings.unsaid():
            alert = self._ledger.alerts.of_id(notice.alert_id)
            if alert is not None:
                self.say(alert, str(notice.message["text"]))
                self._ledger.alert_firings.sent(notice)
