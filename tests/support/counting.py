"""Dynos that count, and readers of their log: each number comes once, in order, or is said to be lost."""

from __future__ import annotations

import itertools
import re
import subprocess
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.platform import Platform

DYNOS = 5
COUNT = """\
import itertools, time
begun = time.monotonic()
for number in itertools.count(1):
    print("count", number, flush=True)
    time.sleep(max(0, begun + number / {rate} - time.monotonic()))
"""
"""A process that prints so many numbers a second, without end."""
_ROW = re.compile(r"\S+ (?P<source>app|heroku)\[(?P<process>[^]]+)\]: (?P<text>.*)")
_NUMBER = re.compile(r"count (\d+)")
_TOLD = re.compile(r"Error L1\d \([^)]*\) -> (?:This (?:tail session|drain) dropped )?(?P<lost>\d+) messages?")


def counters(rate: int = 100) -> dict[str, str | bytes]:
    """The files of an app whose workers count."""
    return {"Procfile": "worker: python3 -u count.py\n", "count.py": COUNT.format(rate=rate)}


@dataclass(slots=True)
class Heard:
    """What came to a reader: of each process its numbers, in the order in which they came, and what was said lost."""

    numbers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    told: list[str] = field(default_factory=list)
    processes: Counter[str] = field(default_factory=Counter)
    """How many lines of each process came."""

    def row(self, row: str) -> None:
        """Take one line of the log."""
        match = _ROW.fullmatch(row)
        if match is None:
            return
        self.processes[match["process"]] += 1
        if match["source"] == "app" and (number := _NUMBER.fullmatch(match["text"])):
            self.numbers[match["process"]].append(int(number[1]))
        elif "Error L1" in match["text"]:
            self.told.append(match["text"])

    @property
    def newest(self) -> Mapping[str, int]:
        """The last number of each process."""
        return {process: numbers[-1] for process, numbers in self.numbers.items() if numbers}

    @property
    def missing(self) -> int:
        """How many numbers lie in the gaps."""
        return sum(max(0, after - before - 1) for before, after in self._steps())

    @property
    def repeated(self) -> int:
        """How many numbers came again, or behind a later one."""
        return sum(after <= before for before, after in self._steps())

    @property
    def said_lost(self) -> int:
        """How many messages were said to be lost."""
        return sum(int(match["lost"]) for match in map(_TOLD.search, self.told) if match)

    def _steps(self) -> Iterator[tuple[int, int]]:
        for numbers in self.numbers.values():
            # Of a list that still grows what there is now.
            now = list(numbers)
            yield from itertools.pairwise(now)


@contextmanager
def tail(platform: Platform, app: str, *words: str) -> Iterator[Heard]:
    """`hostctl logs -t` of an app, read all the while."""
    heard = Heard()
    argv = platform.hostctl_command("logs", "-a", app, "-t", "-n", "0", *words)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=-1, cwd="/", text=True, errors="replace") as client:
        assert client.stdout is not None
        reading = threading.Thread(target=_read, args=(client.stdout, heard), daemon=True)
        reading.start()
        try:
            yield heard
        finally:
            client.terminate()
            reading.join()


def history(platform: Platform, app: str, *words: str) -> Heard:
    """What `hostctl logs` shows of the past."""
    heard = Heard()
    for row in platform.hostctl("logs", "-a", app, "-n", "1500", *words).stdout.splitlines():
        heard.row(row)
    return heard


def _read(rows: Iterator[str], heard: Heard) -> None:
    for row in rows:
        heard.row(row.rstrip("\n"))
