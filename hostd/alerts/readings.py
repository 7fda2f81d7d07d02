"""Readings: where the figures of a rule come from, and in which minutes somebody looked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from hostd.alerts.evaluating import MINUTE, Figures, reach
from hostd.alerts.figures import Of, Unit
from hostd.alerts.ring import Ring
from hostd.alerts.rules import Rule

_DAY_SECONDS = 86400
_ALWAYS_COUNTED = "restarts"
"""A series that has a value in every minute in which somebody looked."""


class Store(Protocol):
    """What is needed of `hostd.metrics.store.Store`."""

    def minutes(
        self, app_id: str, metric: str, since: int, until: int, process: str | None = None
    ) -> dict[int, float]:
        """The values of a metric of an app, or of the dynos of one type, by the second at which each minute begins."""


class Term(Protocol):
    """How long a certificate is valid."""

    @property
    def starts_at(self) -> datetime:
        """From when on."""

    @property
    def expires_at(self) -> datetime:
        """Until when."""


Terms = Callable[[str | None], Sequence[Term]]
"""The certificates of an app, by its id, or those of the platform."""


class Readings:
    """Reads what there is. `certificates` gives those of an app, by its id, or of the platform (None)."""

    def __init__(self, store: Store, disk: Ring, certificates: Terms) -> None:
        self._store = store
        self._disk = disk
        self._certificates = certificates

    async def fetch(self, rule: Rule, app_id: str | None, since: int, until: int) -> Figures:
        """As `read`, while others go on: a week of many dynos takes its time."""
        if rule.figure.of is Of.ANYTHING:
            # Certificates are in the ledger, which is for one thread.
            return self.read(rule, app_id, since, until)
        return await asyncio.to_thread(self.read, rule, app_id, since, until)

    def read(self, rule: Rule, app_id: str | None, since: int, until: int) -> Figures:
        """The figures for a rule, in its unit, from `since` (less what is counted with the first minute) to before
        `until`, in seconds."""
        since -= reach(rule)
        if rule.figure.name == "disk":
            return Figures(self._disk.minutes(since, until))
        if rule.figure.name == "certificate":
            return Figures(_days_left(self._certificates(app_id), since, until))
        if app_id is None:
            return Figures({})
        process = rule.process if rule.figure.of is Of.DYNOS else None
        watched = self._store.minutes(app_id, _ALWAYS_COUNTED, since, until)
        return Figures(self._measured(app_id, rule.measure, since, until, process), watched.keys())

    def _measured(
        self, app_id: str, unit: Unit, since: int, until: int, process: str | None
    ) -> dict[int, float]:
        found = self._store.minutes(app_id, unit.series, since, until, process)
        if unit.of is None:
            return {minute: value / unit.factor for minute, value in found.items()}
        whole = self._store.minutes(app_id, unit.of, since, until, process)
        return {minute: 100 * found.get(minute, 0.0) / value for minute, value in whole.items() if value > 0}


def _days_left(terms: Sequence[Term], since: int, until: int) -> dict[int, float]:
    """Of the certificate that ends first, at each minute; one that has ended has less than no days left.

    What is known is what there is now: one that was replaced since then counts for nothing.
    """
    spans = [(term.starts_at.timestamp(), term.expires_at.timestamp()) for term in terms]
    found: dict[int, float] = {}
    for minute in range(since, until, MINUTE):
        if ends := [end for start, end in spans if start <= minute]:
            found[minute] = (min(ends) - minute) / _DAY_SECONDS
    return found
