"""Exposition: the metrics of a worker as people and programs read them: JSON, and the text format of Prometheus.

That is https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4. Both are made in pieces, between
which requests go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from router.metrics import Histogram, Series
from router.plane import Plane

_PREFIX = "hostd_router_"


@dataclass(frozen=True, slots=True)
class _Gauges:
    """What goes on at this moment, by app (id) and dyno."""

    in_flight: Mapping[tuple[str, str], int]
    tunnels: Mapping[tuple[str, str], int]
    held: Mapping[str, int]


def text(plane: Plane, worker: int) -> Iterator[str]:
    """Everything in Prometheus' text format, in pieces."""
    names, apps, now = _names(plane), plane.metrics.apps(), _gauges(plane)
    every = [
        (_labels(worker, app=names.get(app_id, ""), dyno=dyno), series)
        for app_id, known in apps.items()
        for dyno, series in (("", known.elsewhere), *known.dynos.items())
    ]
    yield _head("requests_total", "counter", "Requests that are over, by the class of their status.")
    yield from _samples(
        every, lambda labels, series: [_line("requests_total", f'{labels},class="{name}"', count)
                                       for name, count in series.classes()]
    )  # fmt: skip
    yield _head("codes_total", "counter", "Requests that did not end well, by their code.")
    for app_id, known in apps.items():
        labels = _labels(worker, app=names.get(app_id, ""))
        yield "".join(
            _line("codes_total", f'{labels},code="{code or "refused"}"', count) for code, count in known.codes.items()
        )
    yield _head("response_bytes_total", "counter", "Bytes of the bodies of answers.")
    yield from _samples(
        every, lambda labels, series: [_line("response_bytes_total", labels, series.sent)] if series.sent else []
    )
    for name, said, pick in _HISTOGRAMS:
        yield _head(name, "histogram", said)
        yield from _samples(every, _histogram(name, pick))
    for name, said, values in (
        ("requests_in_flight", "Requests that a dyno works on.", now.in_flight),
        ("tunnels_open", "WebSockets, and other connections that have switched protocols.", now.tunnels),
    ):
        yield _head(name, "gauge", said)
        for (app_id, dyno), count in values.items():
            yield _line(name, _labels(worker, app=names.get(app_id, ""), dyno=dyno), count)
    yield _head("requests_held", "gauge", "Requests that wait for a dyno, or for the end of a pause.")
    for app_id, count in now.held.items():
        yield _line("requests_held", _labels(worker, app=names.get(app_id, "")), count)
    for name, kind, said, value in (
        ("connections_open", "gauge", "Connections of clients.", len(plane.clients)),
        ("table_sequence", "gauge", "The number of the route table in force.", plane.table.sequence),
        ("log_lines_lost_total", "counter", "Request lines that the journal did not take.", plane.journal.lost),
    ):
        yield _head(name, kind, said) + _line(name, _labels(worker), value)


def documents(plane: Plane) -> Iterator[dict[str, Any]]:
    """An object for each app, with its dynos."""
    names, now = _names(plane), _gauges(plane)
    for app_id, known in plane.metrics.apps().items():
        yield {
            "id": app_id,
            "name": names.get(app_id, ""),
            "codes": {code or "refused": count for code, count in sorted(known.codes.items())},
            "held": now.held.get(app_id, 0),
            **_document(known.elsewhere),
            "dynos": [
                {
                    "name": dyno,
                    "in_flight": now.in_flight.get((app_id, dyno), 0),
                    "tunnels": now.tunnels.get((app_id, dyno), 0),
                    **_document(series),
                }
                for dyno, series in sorted(known.dynos.items())
            ],
        }


_HISTOGRAMS: tuple[tuple[str, str, Callable[[Series], Histogram]], ...] = (
    ("connect_seconds", "How long dynos took to take a new connection.", lambda series: series.connect),
    ("service_seconds", "How long requests were with their dyno.", lambda series: series.service),
)


def _document(series: Series) -> dict[str, Any]:
    shown = {
        name: {"buckets": dict(of.up_to()), "count": of.count, "sum": round(of.seconds, 6)}
        for name, of in (("connect", series.connect), ("service", series.service))
        if of.count
    }
    return {"statuses": dict(series.classes()), "bytes": series.sent, **shown}


def _samples(
    every: Iterable[tuple[str, Series]], lines: Callable[[str, Series], Iterable[str]]
) -> Iterator[str]:
    for labels, series in every:
        if piece := "".join(lines(labels, series)):
            yield piece


def _histogram(name: str, pick: Callable[[Series], Histogram]) -> Callable[[str, Series], Iterable[str]]:
    def lines(labels: str, series: Series) -> Iterable[str]:
        histogram = pick(series)
        if histogram.count:
            for bound, count in histogram.up_to():
                yield _line(f"{name}_bucket", f'{labels},le="{bound}"', count)
            yield _line(f"{name}_sum", labels, round(histogram.seconds, 6))
            yield _line(f"{name}_count", labels, histogram.count)

    return lines


def _names(plane: Plane) -> dict[str, str]:
    return {app.id: app.name for app in plane.table.apps}


def _gauges(plane: Plane) -> _Gauges:
    in_flight: Counter[tuple[str, str]] = Counter()
    tunnels: Counter[tuple[str, str]] = Counter()
    for (_, _, app_id), backend in plane.backends.items():
        in_flight[app_id, backend.name] += backend.in_flight
        tunnels[app_id, backend.name] += len(backend.tunnels)
    return _Gauges(in_flight, tunnels, Counter(search.app_id for search in plane.held))


def _labels(worker: int, **labels: str) -> str:
    """Names of apps and dynos have no character that would need care."""
    return ",".join([f'worker="{worker}"', *(f'{name}="{value}"' for name, value in labels.items())])


def _head(name: str, kind: str, said: str) -> str:
    return f"# HELP {_PREFIX}{name} {said}\n# TYPE {_PREFIX}{name} {kind}\n"


def _line(name: str, labels: str, value: float) -> str:
    return f"{_PREFIX}{name}{{{labels}}} {value}\n"
