"""Metrics: what is counted of the requests of each app and each dyno. Adding a request is a few additions.

There is hardly more of it than there are apps and dynos in the table: what leaves it for good is forgotten.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

BUCKETS: Final[tuple[float, ...]] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds up to which a request counts for a bucket; the last one is for all that took longer."""
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
"""Of statuses; 600 to 999 pass too."""
_MOST_GONE: Final = 20
_SWITCHED: Final = 101
"""Its service is as long as the WebSocket was open, and says nothing of the app."""


class Histogram:
    """How many took how long."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.counts)

    def up_to(self) -> Iterator[tuple[str, int]]:
        """How many took up to each bound, as Prometheus has it: `("0.001", 3), ..., ("+Inf", 17)`."""
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            yield bound, total


class Series:
    """The requests that one dyno has answered, or of one app those that no dyno was asked."""

    __slots__ = ("connect", "sent", "service", "statuses")

    def __init__(self) -> None:
        self.statuses = [0] * (len(CLASSES) + 1)
        self.sent = 0
        self.connect = Histogram()
        self.service = Histogram()

    def add(self, status: int, sent: int, connect: float, service: float | None) -> None:
        """A request that is over. `connect` is 0 without a new connection, `service` None if the dyno had nothing."""
        self.statuses[min(status // 100, len(CLASSES))] += 1
        self.sent += sent
        if connect:
            self.connect.add(connect)
        if service is not None and status != _SWITCHED:
            self.service.add(service)

    def classes(self) -> Iterator[tuple[str, int]]:
        """The requests by the class of their status: `("2xx", 17)`; without those that there were none of."""
        return ((name, count) for name, count in zip(CLASSES, self.statuses[1:], strict=True) if count)


class AppMetrics:
    """One app: its codes (`H12`), its dynos by their names, and the requests that no dyno was asked."""

    __slots__ = ("codes", "dynos", "elsewhere")

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.elsewhere = Series()
        self.dynos: dict[str, Series] = {}

    def dyno(self, name: str) -> Series:
        """What is counted of a dyno; one that comes after another of its name goes on counting there."""
        return self.dynos.setdefault(name, Series())

    def keep(self, names: Collection[str]) -> None:
        """These are its dynos now. Of others, which may be starting anew, only so many are remembered."""
        others = [name for name in self.dynos if name not in names]
        for name in others[: max(0, len(others) - _MOST_GONE)]:
            del self.dynos[name]


class Metrics:
    """All apps of a worker, by their ids; "" is for requests that are no app's."""

    def __init__(self) -> None:
        self._nobody = AppMetrics()
        self._apps: dict[str, AppMetrics] = {}

    def of(self, app_id: str) -> AppMetrics:
        """What is counted of an app; of one that is gone nothing is."""
        return self._apps.get(app_id, self._nobody)

    def begin(self, app_id: str) -> AppMetrics:
        """Count an app that is in the table."""
        return self._apps.setdefault(app_id, AppMetrics())

    def end(self, app_id: str) -> None:
        """Forget an app."""
        self._apps.pop(app_id, None)

    def apps(self) -> Mapping[str, AppMetrics]:
        """All of them, as they are now."""
        return {"": self._nobody, **self._apps}
