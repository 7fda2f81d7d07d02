"""Points as tests write them."""

from __future__ import annotations

from hostd.metrics.histogram import PLACES
from hostd.metrics.points import Count, Traffic, Used
from router.metrics import BUCKETS

NOON = 1_800_000_000 // 86_400 * 86_400 + 43_200
"""A minute, and a five of minutes."""


def used(at: int = NOON, app: str = "app", dyno: str = "web.1", megabytes: int = 100, **more: int) -> Used:
    values = {"span": 60_000, "quota": 512, "swap": 0, "cpu": 600, "load": 1, **more}
    return Used(at=at, app=app, dyno=dyno, memory=megabytes << 10, most=megabytes << 10, **values)


def service(**milliseconds: int) -> tuple[int, ...]:
    """`service(ms5=3)`: three requests in the bucket that ends at 5 ms."""
    counts = [0] * PLACES
    for name, count in milliseconds.items():
        counts[BUCKETS.index(int(name.removeprefix("ms")) / 1000)] += count
    return tuple(counts)


def traffic(at: int = NOON, app: str = "app", dyno: str = "web.1", good: int = 1, bad: int = 0) -> Traffic:
    return Traffic(at, app, dyno, (0, good, 0, 0, bad, 0), 100 * good, 3 * good, service(ms5=good + bad))


def crash(at: int = NOON, app: str = "app", dyno: str = "web.1", what: str = "crash", times: int = 1) -> Count:
    return Count(at, app, dyno, what, times)
