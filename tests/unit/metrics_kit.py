"""Points as tests write them."""

from __future__ import annotations

from typing import Any

from hostd.manager.dyno import Dyno
from hostd.manager.reading import Reading
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


class FakeCounts:
    """A router whose workers have counted what the test says."""

    def __init__(self) -> None:
        self.workers: dict[str, dict[str, Any]] = {}

    async def metrics(self) -> dict[str, dict[str, Any]]:
        return self.workers

    def count(self, good: int, bad: int = 0, run: str = "first", uptime: float = 1.0, **codes: int) -> None:
        """Worker 1 has counted so many requests of the app `app` since its run began."""
        up_to = {str(bound): 0 if bound < 0.005 else good + bad for bound in BUCKETS}
        dyno = {
            "name": "web.1",
            "in_flight": 2,
            "tunnels": 1,
            "statuses": {"2xx": good, "5xx": bad},
            "bytes": 100 * good,
            "service": {"buckets": {**up_to, "+Inf": good + bad}, "count": good + bad, "sum": 0.004 * (good + bad)},
        }
        app = {"id": self.app, "name": "hello", "codes": codes, "held": 3, "statuses": {}, "bytes": 0, "dynos": [dyno]}
        self.workers["1"] = {"run": run, "uptime": uptime, "apps": [app]}

    app = "app"


class FakeLooker:
    """Dynos that use what the test says, by the names of their units."""

    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {}

    def look(self, dynos: list[Dyno]) -> list[Reading]:
        return [self.readings[dyno.unit] for dyno in dynos if dyno.unit in self.readings]

    latest = look
