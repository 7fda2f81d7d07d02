"""Counters of the router's workers: what has been added since they were read last. Pure.

A worker counts from its start, app by app and dyno by dyno. One that has begun anew (another `run`), and a counter that
is lower than it was, count from nothing: all of it is new.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hostd.metrics import histogram
from hostd.metrics.points import Count, Points, Traffic
from router.metrics import CLASSES

YOUNG_SECONDS = 120
_REFUSED = "refused"
"""Requests that were refused without a code."""
_NOTHING = (0,) * (len(CLASSES) + 2 + histogram.PLACES)


class OtherVersion(Exception):  # noqa: N818 - says what it is
    """What a worker answers is not what this version's do; the message says where it differs."""


@dataclass(frozen=True, slots=True)
class AppCounts:
    """What a worker has counted of an app: its codes; and of each dyno, or of none (""), numbers of one kind each.

    They are the classes of status, bytes, milliseconds, and the histogram of response times.
    """

    codes: Mapping[str, int] = field(default_factory=dict)
    dynos: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of_worker(cls, document: Mapping[str, Any]) -> AppCounts:
        """One of the `apps` of a worker's `GET /metrics`."""
        codes = {code: count for code, count in document["codes"].items() if code != _REFUSED}
        dynos = {"": _numbers(document), **{dyno["name"]: _numbers(dyno) for dyno in document["dynos"]}}
        return cls(codes, {name: numbers for name, numbers in dynos.items() if any(numbers)})

    @classmethod
    def from_text(cls, text: str) -> AppCounts:
        """What `to_text` has written. Raises ValueError for anything else."""
        try:
            codes, dynos = json.loads(text)
            return cls(dict(codes), {name: tuple(map(int, numbers)) for name, numbers in dynos.items()})
        except (TypeError, AttributeError) as error:
            raise ValueError(f"these are no counts: {text[:60]!r}") from error

    def to_text(self) -> str:
        """As a line of text."""
        return json.dumps([dict(self.codes), {name: list(numbers) for name, numbers in self.dynos.items()}])

    def since(self, before: AppCounts) -> AppCounts:
        """What came on top of what there was before."""
        codes = {code: _more(before.codes.get(code, 0), count) for code, count in self.codes.items()}
        dynos = {name: _added(before.dynos.get(name, _NOTHING), numbers) for name, numbers in self.dynos.items()}
        return AppCounts(
            {code: count for code, count in codes.items() if count},
            {name: numbers for name, numbers in dynos.items() if any(numbers)},
        )

    def points(self, app_id: str, at: int) -> Points:
        """These as points of a step."""
        return Points(
            traffic=[_traffic(at, app_id, name, numbers) for name, numbers in self.dynos.items()],
            counts=[Count(at, app_id, "", code, count) for code, count in self.codes.items()],
        )


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """All that a worker has counted, by app, since it began this run.

    `young`: it has just begun, so that all of it is new even if nobody knows the worker yet.
    """

    run: str
    apps: Mapping[str, AppCounts]
    young: bool = False

    @classmethod
    def of_worker(cls, document: Mapping[str, Any]) -> WorkerCounts:
        """Of a worker's `GET /metrics`."""
        apps = {app["id"]: AppCounts.of_worker(app) for app in document["apps"] if app["id"]}
        return cls(str(document["run"]), apps, document["uptime"] < YOUNG_SECONDS)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> WorkerCounts:
        """What `to_texts` has written."""
        return cls(texts.get("", ""), {app: AppCounts.from_text(text) for app, text in texts.items() if app})

    def to_texts(self, before: WorkerCounts | None) -> dict[str, str]:
        """In writing, by app, and "" with the run: only the apps that have changed since."""
        known = before.apps if before is not None and before.run == self.run else {}
        changed = {app: counts.to_text() for app, counts in self.apps.items() if counts != known.get(app)}
        return {"": self.run, **changed}

    def since(self, before: WorkerCounts | None) -> Iterator[tuple[str, AppCounts]]:
        """What came on top, by app; nothing if it is not known what there was."""
        if before is None and not self.young:
            return
        known = before.apps if before is not None and before.run == self.run else {}
        for app, counts in self.apps.items():
            if counts != known.get(app):
                yield app, counts.since(known.get(app, AppCounts()))


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """What goes on at this moment on one worker: requests that wait by app; by app and dyno those at work."""

    held: Mapping[str, int]
    in_flight: Mapping[tuple[str, str], int]
    tunnels: Mapping[tuple[str, str], int]

    @classmethod
    def of_worker(cls, document: Mapping[str, Any]) -> WorkerLoad:
        """Of a worker's `GET /metrics`."""
        dynos = [((app["id"], dyno["name"]), dyno) for app in document["apps"] for dyno in app["dynos"]]
        return cls(
            {app["id"]: int(app["held"]) for app in document["apps"]},
            {key: int(dyno["in_flight"]) for key, dyno in dynos},
            {key: int(dyno["tunnels"]) for key, dyno in dynos},
        )


def of_worker(document: Mapping[str, Any]) -> tuple[WorkerCounts, WorkerLoad]:
    """All that is wanted of a worker's `GET /metrics`, or nothing.

    Raises OtherVersion: until they are replaced after an upgrade, the workers are those of the version before.
    """
    try:
        return WorkerCounts.of_worker(document), WorkerLoad.of_worker(document)
    except KeyError as error:
        raise OtherVersion(f"its answer has no {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise OtherVersion(f"its answer has another form: {error}") from error


def _numbers(document: Mapping[str, Any]) -> tuple[int, ...]:
    statuses, service = document["statuses"], document.get("service")
    spread = histogram.apart(list(service["buckets"].values())) if service else histogram.EMPTY
    millis = round(1000 * service["sum"]) if service else 0
    return (*(statuses.get(name, 0) for name in CLASSES), document["bytes"], millis, *spread)


def _traffic(at: int, app_id: str, dyno: str, numbers: tuple[int, ...]) -> Traffic:
    kinds = len(CLASSES)
    return Traffic(at, app_id, dyno, numbers[:kinds], numbers[kinds], numbers[kinds + 1], numbers[kinds + 2 :])


def _added(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    if len(before) != len(after) or any(now < was for was, now in zip(before, after, strict=True)):
        return after
    return tuple(now - was for was, now in zip(before, after, strict=True))


def _more(before: int, after: int) -> int:
    return after - before if after >= before else after
