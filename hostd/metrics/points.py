"""Points: what is known of one dyno, or of an app, in one step of time; how several become one. Pure.

A step is a minute, or five of them; `at` is the second of its beginning since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from hostd.metrics import histogram
from router.metrics import CLASSES

MINUTE = 60
FIVE = 300
CRASH = "crash"
"""What is counted when a dyno crashes; all others that are counted are codes (`R14`)."""
ERRORS = CLASSES.index("5xx")


class Stretch(NamedTuple):
    """The steps that begin from `since` to before `until`: of an app, or without one of all."""

    since: int
    until: int
    step: int = MINUTE
    app: str | None = None


class Used(NamedTuple):
    """What a dyno used in the `span` of ms in which it was looked at: memory in KiB, processor time in ms.

    `memory` is the mean, `most` the largest sample, `quota` in MiB, `load` in hundredths. One-off dynos are together,
    by their type.
    """

    at: int
    app: str
    dyno: str
    span: int
    memory: int
    most: int
    quota: int
    swap: int
    cpu: int
    load: int


class Traffic(NamedTuple):
    """The requests of a dyno that are over, by class of status; dyno "": those that no dyno was asked.

    `sent` in bytes; `millis` is how long they were with the dyno altogether, and `service` how they spread.
    """

    at: int
    app: str
    dyno: str
    classes: tuple[int, ...]
    sent: int
    millis: int
    service: tuple[int, ...]

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.classes)


class Count(NamedTuple):
    """How often something happened (`CRASH`, `R14`) to a dyno, or with dyno "" to an app."""

    at: int
    app: str
    dyno: str
    what: str
    times: int


Point = TypeVar("Point", Used, Traffic, Count)


@dataclass(slots=True)
class Points:
    """Points of all kinds, and the steps in which there was somebody who looked."""

    used: list[Used] = field(default_factory=list)
    traffic: list[Traffic] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    steps: set[int] = field(default_factory=set)

    def all(self) -> list[Used | Traffic | Count]:
        """Every point."""
        return [*self.used, *self.traffic, *self.counts]

    def add(self, other: Points) -> None:
        """These too."""
        self.used += other.used
        self.traffic += other.traffic
        self.counts += other.counts
        self.steps |= other.steps

    def by(self, step: int) -> Points:
        """The same in longer steps; what comes twice for a step becomes one."""
        return Points(
            _fold(self.used, step, _used),
            _fold(self.traffic, step, _traffic),
            _fold(self.counts, step, _count),
            {at - at % step for at in self.steps},
        )


def _fold(points: Iterable[Point], step: int, join: Callable[[int, list[Any]], Point]) -> list[Point]:
    groups: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        what = point.what if isinstance(point, Count) else ""
        groups.setdefault((point.at - point.at % step, point.app, point.dyno, what), []).append(point)
    return [join(key[0], group) for key, group in groups.items()]


def _used(at: int, group: list[Used]) -> Used:
    first, last = group[0], group[-1]
    if len(group) == 1:
        return first._replace(at=at)
    span = sum(point.span for point in group)
    weights = [point.span if span else 1 for point in group]
    return Used(
        at=at,
        app=first.app,
        dyno=first.dyno,
        span=span,
        memory=_mean((point.memory for point in group), weights),
        most=max(point.most for point in group),
        quota=last.quota,
        swap=max(point.swap for point in group),
        cpu=sum(point.cpu for point in group),
        load=_mean((point.load for point in group), weights),
    )


def _traffic(at: int, group: list[Traffic]) -> Traffic:
    first = group[0]
    if len(group) == 1:
        return first._replace(at=at)
    return Traffic(
        at=at,
        app=first.app,
        dyno=first.dyno,
        classes=tuple(map(sum, zip(*(point.classes for point in group), strict=True))),
        sent=sum(point.sent for point in group),
        millis=sum(point.millis for point in group),
        service=histogram.together(point.service for point in group),
    )


def _count(at: int, group: list[Count]) -> Count:
    return group[0]._replace(at=at, times=sum(point.times for point in group))


def _mean(values: Iterable[int], weights: Sequence[int]) -> int:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) // sum(weights)
