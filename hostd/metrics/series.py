"""Series: an app's points as one figure for each step, by the names of metrics. Pure.

| metric | figure |
|---|---|
| `requests`, `errors` | in the step: all requests, and those answered with 5xx |
| `p50`, `p95`, `p99` | ms within which so many per cent were answered |
| `memory`, `memory_quota` | MB of the largest dyno, and per cent of its quota |
| `cpu` | per cent of one processor while they ran, all dynos together |
| `load` | the largest 1-minute load average |
| `restarts` | dynos that crashed |
| a code, such as `H12`, `R14`, `L10` | how often it was said |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from hostd.metrics import histogram
from hostd.metrics.points import CRASH, ERRORS, Points, Traffic, Used

PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
GAUGES = ("memory", "memory_quota", "cpu", "load")
TOTALS = ("requests", "errors", "restarts")
METRICS = (*TOTALS, *PERCENTILES, *GAUGES)
CODE = re.compile(r"[A-Z][0-9]{2}")


def known(metric: str) -> bool:
    """Whether there is such a metric."""
    return metric in METRICS or bool(CODE.fullmatch(metric))


def kinds(metric: str) -> tuple[str, ...]:
    """The kinds of points (fields of `Points`) that a metric is made of."""
    if metric in GAUGES:
        return ("used",)
    return ("traffic",) if metric in PERCENTILES or metric in ("requests", "errors") else ("counts",)


def figures(points: Points, metric: str, born: int = 0) -> dict[int, float]:
    """The figure of each step by its beginning.

    What is counted is 0 in steps in which somebody looked and nothing was, from `born` on; other metrics have no figure
    then. Raises ValueError for an unknown metric.
    """
    if metric in PERCENTILES:
        return _percentiles(points.traffic, PERCENTILES[metric])
    if metric in GAUGES:
        return _gauges(points.used, metric)
    if not known(metric):
        raise ValueError(f"there is no metric {metric!r}")
    totals: dict[int, float] = {at: 0.0 for at in points.steps if at >= born}
    for at, count in _counted(points, metric):
        totals[at] = totals.get(at, 0.0) + count
    return totals


def _counted(points: Points, metric: str) -> Iterable[tuple[int, int]]:
    if metric == "requests":
        return ((point.at, point.requests) for point in points.traffic)
    if metric == "errors":
        return ((point.at, point.classes[ERRORS]) for point in points.traffic)
    what = CRASH if metric == "restarts" else metric
    return ((point.at, point.times) for point in points.counts if point.what == what)


def _percentiles(traffic: Iterable[Traffic], share: float) -> dict[int, float]:
    spread: dict[int, list[tuple[int, ...]]] = {}
    for point in traffic:
        spread.setdefault(point.at, []).append(point.service)
    found = {at: histogram.percentile(histogram.together(services), share) for at, services in spread.items()}
    return {at: value for at, value in found.items() if value is not None}


def _gauges(used: Iterable[Used], metric: str) -> dict[int, float]:
    figure, join = _GAUGES[metric]
    found: dict[int, list[float]] = {}
    for point in used:
        found.setdefault(point.at, []).append(figure(point))
    return {at: join(values) for at, values in found.items()}


_GAUGES: dict[str, tuple[Callable[[Used], float], Callable[[list[float]], float]]] = {
    "memory": (lambda point: point.most / 1024, max),
    "memory_quota": (lambda point: point.most / 1024 / max(1, point.quota) * 100, max),
    "cpu": (lambda point: 100 * point.cpu / max(1, point.span), sum),
    "load": (lambda point: point.load / 100, max),
}
