"""The ways that lines take, side by side: a table for docs/logs.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

TITLES = {"tail": "a tail", "drain": "a drain, http", "https": "a drain, https", "rsyslog": "rsyslog (imjournal)"}
PEER = "rsyslog"
SHOWN = (1000, 10_000, 50_000)
"""Rates of which delay and costs are in the table, if they were asked for."""
FAIR_RATE = 10_000
"""The rate, or the next to it, at which the processor is held against rsyslog's."""
NOT_TRIED = "-"
READER = {"rsyslog": "rsyslog"}
"""Which process reads the journal, where it is not the logplex."""
Row = dict[str, Any]


def table(rows: Sequence[Row]) -> str:
    """The ways that were measured, as Markdown; rows are those of logs.py."""
    ways = {name: [row for row in rows if row["what"] == name] for name in TITLES}
    ways = {name: steps for name, steps in ways.items() if steps}
    if not ways:
        return ""
    lines = [["", *(TITLES[name] for name in ways)]]

    def add(title: str, cell: Callable[[str, list[Row]], str]) -> None:
        lines.append([title, *(cell(name, steps) for name, steps in ways.items())])

    add("sustained, nothing lost", lambda name, steps: f"{sustained(steps):,.0f} lines/s")
    if PEER in ways and (least := sustained(ways[PEER])):
        add("of what rsyslog sustains", lambda name, steps: f"{sustained(steps) / least:.1f} x")
    add("the first rate that was too much", lambda name, steps: trouble(steps))
    add("lost, and come twice, at all rates", lambda name, steps: f"{total(steps, 'missing')}, {total(steps, 'twice')}")
    rates = sorted({row["rate"] for steps in ways.values() for row in steps})
    for rate in [rate for rate in rates if rate in SHOWN] or rates:
        add(f"delay at {rate:,} lines/s, median and p99", partial(delay, rate))
        add(f"who reads, and journald, at {rate:,} lines/s", partial(cores, rate))
    if PEER in ways and (shared := [rate for rate in rates if all(at(steps, rate) for steps in ways.values())]):
        rate = min(shared, key=lambda rate: abs(rate - FAIR_RATE))
        add(f"processor of who reads, of rsyslog's, at {rate:,} lines/s", partial(against, rate, ways[PEER]))
    add("memory (PSS) at most: who reads, journald", memory)
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sustained(steps: Sequence[Row]) -> float:
    """The most lines a second that came in time, all of them."""
    return max((float(row["arrived"]) for row in steps if row["kept_up"]), default=0.0)


def trouble(steps: Sequence[Row]) -> str:
    """The first rate that was too much, and how."""
    for row in steps:
        if not row["kept_up"]:
            if not row["arrived"]:
                return f"{row['rate']:,} asked: nothing came in time"
            how = f"{row['missing']:,} lost" if row["missing"] else "nothing lost"
            return f"{row['rate']:,} asked: {row['arrived']:,.0f} came, {how}, {row['lag']:.1f} s late"
    return f"none up to {steps[-1]['rate']:,}"


def total(steps: Sequence[Row], what: str) -> str:
    return f"{sum(row[what] for row in steps):,}"


def at(steps: Sequence[Row], rate: int) -> Row | None:
    return next((row for row in steps if row["rate"] == rate), None)


def delay(rate: int, _: str, steps: Sequence[Row]) -> str:
    row = at(steps, rate)
    if row is None or not row["arrived"]:
        return NOT_TRIED
    return f"{row['median'] * 1e3:.0f} ms, {row['p99'] * 1e3:.0f} ms"


def processes(name: str, figures: dict[str, float]) -> list[float]:
    """What belongs to the journal's reader and to journald."""
    names = (READER.get(name, "logplex"), "journald")
    return [next((figure for unit, figure in figures.items() if part in unit), float("nan")) for part in names]


def cores(rate: int, name: str, steps: Sequence[Row]) -> str:
    if (row := at(steps, rate)) is None:
        return NOT_TRIED
    reader, journald = processes(name, row["processor"])
    return f"{reader:.0%}, {journald:.0%} of a core"


def against(rate: int, peer: Sequence[Row], name: str, steps: Sequence[Row]) -> str:
    """What the reader of a way takes of the processor, against what rsyslog does."""
    theirs, ours = at(peer, rate), at(steps, rate)
    if theirs is None or ours is None:
        return NOT_TRIED
    return f"{processes(name, ours['processor'])[0] / processes(PEER, theirs['processor'])[0]:.2f} x"


def memory(name: str, steps: Sequence[Row]) -> str:
    found = [processes(name, row["memory"]) for row in steps]
    return f"{max(row[0] for row in found):.0f} MB, {max(row[1] for row in found):.0f} MB"
