"""The tally: codes and crashes, counted when the platform says them in an app's log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hostd.manager.dyno import FIRST_ONE_OFF
from hostd.metrics.points import CRASH, Count

_CODE = re.compile(r"Error ([A-Z][0-9]{2}) \(")
_CRASHED = re.compile(r"State changed from [a-z]+ to crashed")
_AWAY = re.compile(r"Process exited(?: ([0-9]{1,6}) times)? while hostd was away")


class Tally:
    """Counts what it hears; `total` goes on for as long as hostd runs, by app, dyno and what happened."""

    def __init__(self) -> None:
        self._new: Counter[tuple[str, str, str]] = Counter()
        self._logplex: tuple[str, Mapping[str, Mapping[str, int]]] = "", {}
        self.total: Counter[tuple[str, str, str]] = Counter()

    def hear(self, app_id: str, process: str, text: str) -> None:
        """A line that the platform has said of a process of an app."""
        if found := _CODE.match(text):
            self._count(app_id, process, found[1])
        elif _CRASHED.fullmatch(text):
            self._count(app_id, process, CRASH)
        elif found := _AWAY.match(text):
            self._count(app_id, process, CRASH, int(found[1] or 1))

    def add_all(self, document: Mapping[str, Any]) -> None:
        """What the logplex has said of itself since it began (`hostd.logplex.counts`): what is new of it counts.

        What one had said that ran before hostd did is not.
        """
        run, apps = document["run"], document["apps"]
        known = self._logplex[1] if self._logplex[0] in (run, "") else {}
        for app_id, codes in apps.items():
            for code, count in codes.items():
                if self._logplex[0] and (more := count - known.get(app_id, {}).get(code, 0)) > 0:
                    self._count(app_id, "", code, more)
        self._logplex = run, apps

    def counts(self, at: int) -> list[Count]:
        """What was counted since `take`, as points of a step."""
        return [Count(at, *key, times) for key, times in self._new.items()]

    def take(self, at: int) -> list[Count]:
        """The same, and begin anew."""
        taken = self.counts(at)
        self._new.clear()
        return taken

    def _count(self, app_id: str, process: str, what: str, times: int = 1) -> None:
        key = app_id, metric_name(process), what
        self._new[key] += times
        self.total[key] += times


def metric_name(process: str) -> str:
    """What metrics call a dyno: one-off dynos, of which each has its own name, by their type; "" is no dyno."""
    type_, _, number = process.partition(".")
    if not number.isdigit():
        return ""
    return type_ if int(number) >= FIRST_ONE_OFF else process
