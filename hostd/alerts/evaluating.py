"""Evaluating: minutes of a figure in, episodes of an alert out. Pure: the same for what is and what would have been.

A level has to be beyond its threshold for so many minutes in a row; what is counted, so often within so many minutes.
A minute without figures is never one in which the condition holds: it breaks a row. While an alert fires it neither
ends nor keeps it; only if they stay away for long although somebody looks, as when nobody asks an app for anything, it
ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hostd.alerts.rules import Rule
from hostd.alerts.states import TOLD, State, moved

MINUTE = 60
PATIENCE = 15
"""Minutes without figures after which an alert that fires ends."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Values by the second (Unix time) at which their minute begins, and the minutes in which somebody looked.

    What is in the second and not in the first was not there to be seen; what is in neither nobody knows.
    """

    minutes: Mapping[int, float]
    watched: Collection[int] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands after some minute. `began` is the first minute of the row that led here, `row` how many minutes
    count for the next step, `over` the first good minute while it may end, `silent` how many had no value."""

    state: State = State.QUIET
    began: int = 0
    fired: int = 0
    row: int = 0
    over: int = 0
    silent: int = 0
    low: float = 0.0
    high: float = 0.0
    last: float | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """From the minute in which the condition `began` to hold to the one in which it was `over` (None: it goes on), and
    the minutes after which it `fired` and `ended`. `low` and `high` were its values until it fired, `last` the newest.

    `silence`: it ended for want of figures.
    """

    began: int
    fired: int
    low: float
    high: float
    last: float | None
    over: int | None = None
    ended: int | None = None
    silence: bool = False

    @property
    def minutes(self) -> int | None:
        """How long the condition held; None while it does."""
        return None if self.over is None else max(1, (self.over - self.began) // MINUTE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some minutes: how it stands now, and the episodes that fired or ended in them, the oldest first."""

    standing: Standing
    episodes: Sequence[Episode]


def reach(rule: Rule) -> int:
    """How many seconds before the first minute the figures are needed."""
    return (rule.minutes - 1) * MINUTE if rule.counts else 0


def fold(rule: Rule, figures: Figures, since: int, until: int, standing: Standing | None = None) -> Outcome:
    """Go through the minutes that begin at `since` or later and before `until`, both the beginning of a minute.

    `figures` also has those before that `reach` asks for.
    """
    standing = standing or Standing()
    episodes: list[Episode] = [episode(standing)] if standing.state in TOLD else []
    for minute, value in _values(rule, figures.minutes, since, until):
        before, standing = standing, step(rule, standing, minute, value, watched=minute in figures.watched)
        was, now = before.state in TOLD, standing.state in TOLD
        if now and not was:
            episodes.append(episode(standing))
        elif was and not now:
            episodes[-1] = _ended(before, minute, value)
        elif now:
            episodes[-1] = episode(standing)
    return Outcome(standing, episodes)


def episode(standing: Standing) -> Episode:
    """The episode that goes on."""
    return Episode(standing.began, standing.fired, standing.low, standing.high, standing.last)


def going_on(known: Episode) -> Standing:
    """How it stands as soon as an episode has fired: where one begins who knows nothing else."""
    return Standing(
        State.FIRING, began=known.began, fired=known.fired, low=known.low, high=known.high, last=known.last
    )


def step(rule: Rule, standing: Standing, minute: int, value: float | None, *, watched: bool = True) -> Standing:
    """How it stands one minute later; `value` is that minute's: None if there was none, or nobody `watched`."""
    if standing.state in TOLD:
        if value is None:
            return _silent(standing) if watched else standing
        return _while_told(rule, standing, minute, value)
    if value is None or not rule.breached(value):
        return Standing(moved(standing.state, State.QUIET), last=value)
    row = standing.row + 1
    pending = standing.state is State.PENDING
    grown = Standing(
        state=moved(standing.state, State.FIRING if row >= rule.needed else State.PENDING),
        began=standing.began if pending else minute,
        row=row,
        low=min(standing.low, value) if pending else value,
        high=max(standing.high, value) if pending else value,
        last=value,
    )
    return replace(grown, fired=minute, row=0) if grown.state is State.FIRING else grown


def _silent(standing: Standing) -> Standing:
    silent = standing.silent + 1
    return replace(standing, silent=silent) if silent < PATIENCE else Standing(moved(standing.state, State.QUIET))


def _while_told(rule: Rule, standing: Standing, minute: int, value: float) -> Standing:
    if not rule.is_calm(value):
        return replace(standing, state=moved(standing.state, State.FIRING), row=0, over=0, silent=0, last=value)
    row = standing.row + 1
    if row >= rule.calm:
        return Standing(moved(standing.state, State.QUIET), last=value)
    over = standing.over or minute
    return replace(standing, state=moved(standing.state, State.ENDING), row=row, over=over, silent=0, last=value)


def _ended(before: Standing, minute: int, value: float | None) -> Episode:
    silence = value is None
    over = before.over or (minute - (PATIENCE - 1) * MINUTE if silence else minute)
    last = before.last if silence else value
    return replace(episode(before), over=over, ended=minute, silence=silence, last=last)


def _values(rule: Rule, minutes: Mapping[int, float], since: int, until: int) -> Iterator[tuple[int, float | None]]:
    """Each minute's value: its own, or the sum of those that are counted with it."""
    if not rule.counts:
        for minute in range(since, until, MINUTE):
            yield minute, minutes.get(minute)
        return
    total = sum(minutes.get(minute, 0.0) for minute in range(since - reach(rule), since, MINUTE))
    for minute in range(since, until, MINUTE):
        total += minutes.get(minute, 0.0)
        yield minute, total
        total -= minutes.get(minute - reach(rule), 0.0)
