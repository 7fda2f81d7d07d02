"""Reports: metrics as the API tells them. Pure: points in, dictionaries out.

Memory is in MB, times in ms, `cpu` in per cent of one processor, `memory_quota` in per cent of what a size has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hostd.metrics import histogram
from hostd.metrics.points import CRASH, FIVE, MINUTE, Points, Stretch
from hostd.metrics.series import GAUGES, METRICS, PERCENTILES, figures
from hostd.metrics.store import DAY, KEPT

STEPS = (MINUTE, FIVE, 900, 1800, 3600, 7200, 21_600, DAY)
"""Seconds; lengths that divide a day."""
MOST_STEPS = 1500
_USUAL_STEPS = 120


def usual_step(seconds: int) -> int:
    """The shortest step in which a time of so many seconds is told in about a hundred figures."""
    return next((step for step in STEPS if seconds / step <= _USUAL_STEPS), STEPS[-1])


def finest_step(ago: int) -> int:
    """The shortest step of which something is known so many seconds ago."""
    return MINUTE if ago <= KEPT[MINUTE] else FIVE


def report(points: Points, stretch: Stretch, born: int | None) -> dict[str, Any]:
    """Each metric as a list with a figure for each step of a stretch, or null; each dyno in sum; all in sum.

    `points` are of one app and of these steps; `born` is since when the app is known.
    """
    at = list(range(stretch.since - stretch.since % stretch.step, stretch.until, stretch.step))
    begun = stretch.until if born is None else born - born % stretch.step
    codes = sorted({point.what for point in points.counts if point.what != CRASH})

    def row(name: str) -> list[float | None]:
        found = figures(points, name, begun)
        return [None if (value := found.get(moment)) is None else round(value, 2) for moment in at]

    return {
        "since": stretch.since,
        "until": stretch.until,
        "step": stretch.step,
        "at": at,
        "metrics": {name: row(name) for name in METRICS},
        "codes": {code: row(code) for code in codes},
        "total": summary(points),
        "dynos": [
            {"name": name, **summary(each)}
            for name, each in sorted(_by(points, lambda point: point.dyno), key=lambda found: _place(found[0]))
            if name
        ],
    }


def summary(points: Points) -> dict[str, Any]:
    """A stretch of time in one figure for each metric; null where nothing is known."""
    requests, errors, restarts = (sum(figures(points, name).values()) for name in ("requests", "errors", "restarts"))
    spread = histogram.together(point.service for point in points.traffic)
    times = {name: _rounded(histogram.percentile(spread, share)) for name, share in PERCENTILES.items()}
    gauges = {name: list(figures(points, name).values()) for name in GAUGES}
    codes: dict[str, int] = {}
    for point in points.counts:
        if point.what != CRASH:
            codes[point.what] = codes.get(point.what, 0) + point.times
    return {
        "requests": int(requests),
        "errors": int(errors),
        **times,
        "memory": _mean(gauges["memory"]),
        "memory_max": _most(gauges["memory"]),
        "memory_quota": _most(gauges["memory_quota"]),
        "cpu": _mean(gauges["cpu"]),
        "cpu_max": _most(gauges["cpu"]),
        "load": _most(gauges["load"]),
        "restarts": int(restarts),
        "codes": dict(sorted(codes.items())),
    }


def apps(points: Points) -> Mapping[str, dict[str, Any]]:
    """The summary of each app, by its id."""
    return {app: summary(each) for app, each in _by(points, lambda point: point.app)}


def only(points: Points, wanted: Callable[[str], bool]) -> Points:
    """The points of the dynos whose names are wanted."""
    return Points(
        [point for point in points.used if wanted(point.dyno)],
        [point for point in points.traffic if wanted(point.dyno)],
        [point for point in points.counts if wanted(point.dyno)],
        points.steps,
    )


def _by(points: Points, key: Callable[[Any], str]) -> Iterable[tuple[str, Points]]:
    groups: dict[str, Points] = {}
    for used in points.used:
        groups.setdefault(key(used), Points()).used.append(used)
    for traffic in points.traffic:
        groups.setdefault(key(traffic), Points()).traffic.append(traffic)
    for count in points.counts:
        groups.setdefault(key(count), Points()).counts.append(count)
    return sorted(groups.items())


def _place(dyno: str) -> tuple[str, int]:
    """`web.2` comes before `web.10`."""
    type_, _, number = dyno.partition(".")
    return type_, int(number) if number.isdigit() else 0


def _mean(values: list[float]) -> float | None:
    return _rounded(sum(values) / len(values)) if values else None


def _most(values: list[float]) -> float | None:
    return _rounded(max(values)) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
