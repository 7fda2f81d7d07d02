"""Exposition: all metrics in the text format of Prometheus, version 0.0.4. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/. Counters count since hostd began; of one that starts anew
Prometheus takes care (`rate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hostd.manager.reading import Reading
from hostd.metrics.collector import Totals
from hostd.metrics.points import CRASH
from router.metrics import BUCKETS, CLASSES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]
"""What follows the family's name (`_bucket`), the labels, and the value."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate; `app` is "" for the platform's own. `expires` in seconds since the epoch."""

    app: str
    name: str
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is told: of apps by id, and of the platform. Whatever is of an app that is not in `apps` is left out."""

    version: str
    apps: Mapping[str, str]
    """Names by id."""
    releases: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Number and moment of each app's current release."""
    dynos: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """How many there are of each app, process type and state."""
    readings: Sequence[Reading] = ()
    totals: Totals = field(default_factory=Totals)
    happened: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """How often something happened, by app, dyno, and what: a code, or a crash."""
    in_flight: Mapping[tuple[str, str], int] = field(default_factory=dict)
    tunnels: Mapping[tuple[str, str], int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    certificates: Sequence[Certificate] = ()
    platform: Mapping[str, tuple[str, str, float]] = field(default_factory=dict)
    """Of the platform itself: what each figure is, its type, and its value."""


def text(snapshot: Snapshot) -> str:
    """All of it."""
    return "".join(_families(snapshot))


def _families(now: Snapshot) -> Iterator[str]:
    yield _family("info", "gauge", "The version of hostd.", [("", {"version": now.version}, 1)])
    for name, (said, kind, value) in now.platform.items():
        yield _family(name, kind, said, [("", {}, value)])
    yield _family(
        "certificate_expiry_time_seconds", "gauge", "When a certificate ends; that of no app is the platform's own.",
        [("", {"app": each.app, "certificate": each.name}, each.expires) for each in now.certificates],
    )  # fmt: skip
    released = [(now.apps[app], release) for app, release in now.releases.items() if app in now.apps]
    yield _family(
        "app_release", "gauge", "The number of the current release.",
        [("", {"app": name}, version) for name, (version, _) in released],
    )  # fmt: skip
    yield _family(
        "app_release_time_seconds", "gauge", "When the current release was made.",
        [("", {"app": name}, moment) for name, (_, moment) in released],
    )  # fmt: skip
    yield _family(
        "dynos", "gauge", "Dynos by their state.",
        [
            ("", {"app": now.apps[app], "type": type_, "state": state}, count)
            for (app, type_, state), count in now.dynos.items()
            if app in now.apps
        ],
    )  # fmt: skip
    yield from _of_dynos(now)
    yield from _of_requests(now)
    yield _family("codes_total", "counter", "Errors by their code (H12, R14, L10).", _codes(now))
    crashes = {(app, dyno): count for (app, dyno, what), count in now.happened.items() if what == CRASH}
    yield _family("dyno_crashes_total", "counter", "Dynos that crashed.", _by_dyno(now, crashes))


def _of_dynos(now: Snapshot) -> Iterator[str]:
    # During a deploy there may be two of a name: the newer one's figures are told.
    newest = {
        (each.dyno.app_id, each.dyno.name): each for each in sorted(now.readings, key=lambda each: each.dyno.version)
    }

    def tell(name: str, kind: str, said: str, figure: Mapping[tuple[str, str], float | None]) -> str:
        return _family(name, kind, said, _by_dyno(now, figure))

    def figures(of: Iterable[tuple[tuple[str, str], float | None]]) -> dict[tuple[str, str], float | None]:
        return dict(of)

    known = newest.items()
    yield tell("dyno_memory_bytes", "gauge", "Memory that counts against the quota.",
               figures((key, each.memory) for key, each in known))  # fmt: skip
    yield tell("dyno_memory_quota_bytes", "gauge", "The quota of its size.",
               figures((key, each.quota) for key, each in known))  # fmt: skip
    yield tell("dyno_memory_rss_bytes", "gauge", "Memory of its own.",
               figures((key, each.usage.rss) for key, each in known))  # fmt: skip
    yield tell("dyno_memory_cache_bytes", "gauge", "Pages of files, which the kernel takes back when it needs them.",
               figures((key, each.usage.cache) for key, each in known))  # fmt: skip
    yield tell("dyno_memory_swap_bytes", "gauge", "Memory in swap space.",
               figures((key, each.usage.swap) for key, each in known))  # fmt: skip
    yield tell("dyno_cpu_seconds_total", "counter", "Seconds of processor in this run of the dyno.",
               figures((key, each.usage.cpu_seconds) for key, each in known))  # fmt: skip
    averages = [
        ("", {**_of(now, key), "minutes": minutes}, round(value, 4))
        for key, each in known
        if key[0] in now.apps
        for minutes, value in (("1", each.load.one), ("5", each.load.five), ("15", each.load.fifteen))
    ]
    yield _family("dyno_load", "gauge", "Load averages of its own tasks.", averages)


def _of_requests(now: Snapshot) -> Iterator[str]:
    kinds = len(CLASSES)
    every = [(_of(now, key), numbers) for key, numbers in now.totals.numbers.items() if key[0] in now.apps]
    yield _family(
        "requests_total", "counter", "Requests that are over, by the class of their status.",
        [
            ("", {**labels, "class": name}, count)
            for labels, numbers in every
            for name, count in zip(CLASSES, numbers, strict=False)
            if count
        ],
    )  # fmt: skip
    yield _family(
        "response_bytes_total", "counter", "Bytes of the bodies of answers.",
        [("", labels, numbers[kinds]) for labels, numbers in every],
    )  # fmt: skip
    yield _family(
        "request_duration_seconds", "histogram", "How long requests were with their dyno.",
        [sample for labels, numbers in every if any(numbers[kinds + 2 :])
         for sample in _histogram(labels, numbers[kinds + 1], numbers[kinds + 2 :])],
    )  # fmt: skip
    yield _family("requests_in_flight", "gauge", "Requests that a dyno works on.", _by_dyno(now, now.in_flight))
    yield _family("tunnels_open", "gauge", "WebSockets that are open.", _by_dyno(now, now.tunnels))
    yield _family(
        "requests_held", "gauge", "Requests that wait for a dyno, or for the end of a pause.",
        [("", {"app": now.apps[app]}, count) for app, count in now.held.items() if app in now.apps],
    )  # fmt: skip


def _codes(now: Snapshot) -> list[Sample]:
    known = {(app, "", code): count for (app, code), count in now.totals.codes.items()}
    for key, count in now.happened.items():
        if key[2] != CRASH:
            known[key] = known.get(key, 0) + count
    return [
        ("", {**_of(now, (app, dyno)), "code": code}, count)
        for (app, dyno, code), count in known.items()
        if app in now.apps
    ]


def _histogram(labels: Labels, millis: int, counts: Sequence[int]) -> Iterator[Sample]:
    total = 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        total += count
        yield "_bucket", {**labels, "le": bound}, total
    yield "_sum", labels, millis / 1000
    yield "_count", labels, total


def _by_dyno(now: Snapshot, figures: Mapping[tuple[str, str], float | None]) -> list[Sample]:
    return [
        ("", _of(now, key), value) for key, value in figures.items() if key[0] in now.apps and value is not None
    ]


def _of(now: Snapshot, key: tuple[str, str]) -> Labels:
    return {"app": now.apps[key[0]], "dyno": key[1]}


def _family(name: str, kind: str, said: str, samples: Iterable[Sample]) -> str:
    lines = [f"hostd_{name}{suffix}{_labels(labels)} {value}\n" for suffix, labels, value in samples]
    return "".join((f"# HELP hostd_{name} {said}\n# TYPE hostd_{name} {kind}\n", *lines)) if lines else ""


def _labels(labels: Labels) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
