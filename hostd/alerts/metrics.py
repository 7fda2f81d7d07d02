"""The metrics of an app, of the dynos of one type alone if that is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TypeVar

from hostd.metrics import series
from hostd.metrics.points import MINUTE, Count, Points, Stretch, Used
from hostd.metrics.store import Store, StoreError

log = logging.getLogger(__name__)

Point = TypeVar("Point", Used, Count)


class ByType:
    """A store that is asked by process types."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def minutes(
        self, app_id: str, metric: str, since: int, until: int, process: str | None = None
    ) -> dict[int, float]:
        """The values of a metric of an app, or of the dynos of one type, by the second at which each minute begins.

        None if nothing was ever known of the app, or the store cannot be read, which is logged.
        """
        try:
            born = self._store.born(app_id)
            if born is None:
                return {}
            if process is None:
                return self._store.minutes(app_id, metric, since, until)
            points = self._store.points(Stretch(since, until, MINUTE, app_id))
        except StoreError as error:
            log.warning("%s", error)
            return {}
        own = Points(used=_of(points.used, process), counts=_of(points.counts, process), steps=points.steps)
        return series.figures(own, metric, born)


def _of(points: Iterable[Point], process: str) -> list[Point]:
    return [point for point in points if point.dyno.partition(".")[0] == process]
