"""The keeper of alerts: looks at them once a minute, writes down what begins and ends, and has it told.

Level-triggered: it goes through all minutes that nobody has gone through yet, so that a hostd that was away finds what
has begun and ended meanwhile. What fires is in the ledger before anybody is told, and goes on firing in the next hostd.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hostd.alerts import messages, rules
from hostd.alerts.evaluating import MINUTE, Episode, Standing, fold, going_on
from hostd.alerts.messages import Event
from hostd.alerts.outbox import Outbox
from hostd.alerts.readings import Readings
from hostd.alerts.ring import Ring
from hostd.alerts.rules import Rule
from hostd.alerts.states import State
from hostd.errors import HostdError
from hostd.ledger import Ledger
from hostd.ledger.alert_firings import LOG, Firing
from hostd.ledger.alerts import Alert
from hostd.ledger.database import utc_now
from hostd.lookout import Lookout

log = logging.getLogger(__name__)

WEEK = 7 * 86400
"""Seconds for which there are figures by the minute."""
SETTLED = 25
"""Seconds after its end until all figures of a minute are there."""
_LONGEST_LOOK = 60.0
_AHEAD = 3600
"""A clock that was put back by less waits for the minutes to come again; by more, it was wrong before."""
PAUSED = "it was paused"


@dataclass(frozen=True, slots=True)
class Past:
    """When an alert would have fired, newest first, and since when (Unix time) there are figures; None without any."""

    since: int | None
    episodes: Sequence[Episode]


@dataclass(frozen=True, slots=True)
class _Held:
    """How it stood with an alert before the minute `since`; `watched_at` tells a resumed one."""

    watched_at: datetime
    rule: Rule
    standing: Standing
    since: int


class AlertKeeper:
    """Watches all alerts. `full` says how full the disk is, in percent, and `disk` remembers it."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        outbox: Outbox,
        readings: Readings,
        disk: Ring,
        full: Callable[[], float],
        server: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._readings = readings
        self._disk = disk
        self._full = full
        self._server = server
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._lookout = Lookout("looking at the alerts", self.look, _LONGEST_LOOK)

    def start(self) -> None:
        """Begin to watch, and to send."""
        self._lookout.start()
        self._outbox.start()

    async def close(self) -> None:
        """Stop; what fires goes on firing."""
        await self._lookout.close()
        await self._outbox.close()

    def nudge(self) -> None:
        """Say that alerts have changed."""
        self._lookout.nudge()

    async def look(self) -> float:
        """Go through the minutes that are over; returns in how many seconds the next one is."""
        now = int(self._clock().timestamp())
        self._note_disk(now)
        until = (now - SETTLED) // MINUTE * MINUTE
        known = self._ledger.alerts.watched()
        looked = self._ledger.alerts.looked_until()
        for alert in known:
            try:
                await self._catch_up(alert, until, looked)
            except HostdError as error:
                log.warning("alert %s (%s) cannot be looked at: %s", alert.number, alert.condition, error)
        if known and looked != _moment(until):
            self._ledger.alerts.looked(_moment(until))
        self._held = {alert.id: self._held[alert.id] for alert in known if alert.id in self._held}
        return max(1.0, until + MINUTE + SETTLED - now)

    def state(self, alert: Alert) -> State:
        """How it stands with an alert."""
        held = self._held.get(alert.id)
        if held is not None and held.watched_at == alert.watched_at:
            return held.standing.state
        return State.FIRING if self._ledger.alert_firings.open(alert.id) else State.QUIET

    async def past(self, rule: Rule, app_id: str | None) -> Past:
        """How often a rule would have fired within the last week."""
        until = (int(self._clock().timestamp()) - SETTLED) // MINUTE * MINUTE
        since = until - WEEK
        figures = await self._readings.fetch(rule, app_id, since, until)
        known = min(figures.minutes, default=None), min(figures.watched, default=None)
        episodes = (await asyncio.to_thread(fold, rule, figures, since, until)).episodes
        return Past(min((second for second in known if second is not None), default=None), episodes[::-1])

    def pause(self, alert: Alert) -> None:
        """Let an alert count no more; what fires ends, and nobody is told."""
        with self._ledger.transaction():
            if firing := self._ledger.alert_firings.open(alert.id):
                now = self._clock()
                self._ledger.alert_firings.end(firing, over=now, ended=now, reason=PAUSED)
            self._ledger.alerts.pause(alert)
        self._held.pop(alert.id, None)

    def _note_disk(self, now: int) -> None:
        try:
            self._disk.put(now - now % MINUTE, self._full())
        except OSError as error:
            log.warning("how full the disk is cannot be told: %s", error.strerror)

    async def _catch_up(self, alert: Alert, until: int, looked: datetime | None) -> None:
        """Go through an alert's minutes up to now."""
        held = self._held.get(alert.id)
        if held is None or held.watched_at != alert.watched_at or held.since > until + _AHEAD:
            held = self._recovered(alert, until, looked)
        since = max(held.since, until - WEEK)
        if since < until:
            figures = await self._readings.fetch(held.rule, alert.app_id, since, until)
            if self._ledger.alerts.of_id(alert.id) != alert:
                # Removed, paused or resumed in between: the next look sees it as it is.
                return
            outcome = fold(held.rule, figures, since, until, held.standing)
            self._record(alert, held.rule, outcome.episodes)
            held = _Held(alert.watched_at, held.rule, outcome.standing, until)
        self._held[alert.id] = held

    def _recovered(self, alert: Alert, until: int, looked: datetime | None) -> _Held:
        """Where an alert stood when somebody last looked: it fires, or has to begin so far back that no row is cut."""
        rule = self._rule(alert)
        if firing := self._ledger.alert_firings.open(alert.id):
            episode = _episode(firing)
            return _Held(alert.watched_at, rule, going_on(episode), min(episode.fired + MINUTE, until))
        since = _second(alert.watched_at)
        if looked is not None:
            since = max(since, min(_second(looked), until) - rule.needed * MINUTE)
        for last in self._ledger.alert_firings.list(alert.id, 1):
            if last.ended_at is not None:
                since = max(since, min(_second(last.ended_at), until - MINUTE) + MINUTE)
        return _Held(alert.watched_at, rule, Standing(), min(since, until))

    def _record(self, alert: Alert, rule: Rule, episodes: Sequence[Episode]) -> None:
        table, now = self._ledger.alert_firings, int(self._clock().timestamp())
        told = False
        for episode in episodes:
            with self._ledger.transaction():
                firing = table.open(alert.id)
                if firing is None:
                    firing = table.begin(
                        alert.id, began=_moment(episode.began), fired=_moment(episode.fired),
                        low=episode.low, high=episode.high,
                    )  # fmt: skip
                    self._tell(alert, rule, Event.FIRING, messages.firing(rule, episode, now), episode)
                    told = True
                if episode.over is not None and episode.ended is not None:
                    text = messages.ended(rule, episode, now)
                    table.end(firing, over=_moment(episode.over), ended=_moment(episode.ended),
                              reason=text.partition(" has ended ")[2])  # fmt: skip
                    self._tell(alert, rule, Event.ENDED, text, episode)
                    told = True
        if told:
            self._outbox.nudge()

    def _tell(self, alert: Alert, rule: Rule, event: Event, text: str, episode: Episode) -> None:
        self._ledger.alert_firings.tell(alert.id, LOG, {"text": text})
        message = messages.message(
            event, text, rule=rule, alert=alert.number, app=self._app(alert), server=self._server, episode=episode
        )
        for place in range(len(alert.targets)):
            self._ledger.alert_firings.tell(alert.id, place, message)

    def _app(self, alert: Alert) -> str | None:
        return None if alert.app_id is None else self._ledger.apps.get(alert.app_id).name

    def _rule(self, alert: Alert) -> Rule:
        return rules.parse(alert.condition, platform=alert.app_id is None)


def _episode(firing: Firing) -> Episode:
    return Episode(_second(firing.began_at), _second(firing.fired_at), firing.low, firing.high, None)


def _second(moment: datetime) -> int:
    """The second at which the minute of a moment begins."""
    return int(moment.timestamp()) // MINUTE * MINUTE


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


