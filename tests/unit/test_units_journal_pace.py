"""How fast a unit wrote, from the numbers of two entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from units import journal_pace
from units.journal import Entry

UNIT = "hostd-hello-web.1-v3.service"


def entry(number: int, microseconds: int, numbering: str = "aa") -> Entry:
    return Entry(f"s={numbering};i={number:x};b=bb;m=1;t={microseconds:x};x=cc", microseconds, b"", {})


class FakeReader:
    """A journal with these entries; the last is the unit's."""

    entries: list[Entry] = []

    def __init__(self, namespace: str, matches: Mapping[str, Any] = {}) -> None:
        assert namespace == "hostd-app-id" and matches in ({}, {"_SYSTEMD_UNIT": UNIT})
        self._from = 0

    def last(self, limit: int) -> list[Entry]:
        return self.entries[-limit:]

    def seek_realtime(self, microseconds: int) -> None:
        self._from = microseconds

    def read(self, limit: int) -> list[Entry]:
        return [each for each in self.entries if each.realtime_us >= self._from][:limit]

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("entries", "much"),
    [
        ([], False),
        ([entry(7, 50_000_000)], False),
        ([entry(1, 45_000_000), entry(99, 50_000_000)], False),
        ([entry(1, 45_000_000), entry(100, 50_000_000)], True),
        ([entry(1, 39_000_000), entry(50, 41_000_000), entry(100, 50_000_000)], False),
        ([entry(1, 45_000_000, "ff"), entry(2, 50_000_000)], True),
    ],
    ids=["nothing", "one line", "too few", "enough", "too slowly", "another numbering"],
)
def test_what_may_have_been_too_much(entries: list[Entry], much: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeReader, "entries", entries)
    monkeypatch.setattr(journal_pace, "Reader", FakeReader)
    assert journal_pace.wrote_much("hostd-app-id", UNIT, 100, 10.0) is much
