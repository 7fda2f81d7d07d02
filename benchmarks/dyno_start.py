"""What the start of a dyno costs: `python3 benchmarks/dyno_start.py [ROUNDS [STEP_ROUNDS]]`, by default 25 and 60.

First the same program is started bare (fork and exec), by systemd-run, as a dyno (network, snapshot, unit with the
whole sandbox) and by `podman run` (its default network, an image of bash and its libraries, storage in memory): from
the order until the program wrote the time. Rounds are interleaved, differences and ratios are taken within a round.

Then the sandbox is put together step by step, from a bare unit to that of a dyno. What a step adds is the difference
to the one before in the same round, in time and in processor time (of the unit and of PID 1), which a busy machine
blurs less: medians, and the interval that holds the true one with 95 % certainty. Where zero is in both, it is said.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from kit import inside

WAYS = {
    "bare": "bare: fork and exec",
    "systemd-run": "systemd-run, no sandbox",
    "dyno": "a dyno",
    "podman": "podman run --rm",
}
GOAL_MS, GOAL_TIMES = 60, 5


def main(rounds: int = 25, step_rounds: int = 60) -> None:
    script = Path(__file__).with_name("starts.py").read_text()
    argv = ["unshare", "--net", "--mount", "/opt/hostd/venv/bin/python", "-", str(rounds), str(step_rounds)]
    found = json.loads(inside(argv, script))
    compared(found["starts"])
    if found["missing"]:
        # In a box: hostctl box shell -- apt-get ...
        print(f"podman is not compared: apt-get install --no-install-recommends {' '.join(found['missing'])}")
    else:
        print(f"podman: {' '.join(word for word in found['podman'] if not word.startswith(('--root=', '--runroot=')))}")
    print()
    steps(found["steps"])


def compared(starts: dict[str, list[float]]) -> None:
    print(f"{'until the first output, ms':<44} {'median':>7} {'quartiles':>15} {'beyond bare':>12}")
    beyond = {
        name: [one - bare for one, bare in zip(taken, starts["bare"], strict=True)] for name, taken in starts.items()
    }
    for name, taken in starts.items():
        more = f"{statistics.median(beyond[name]) * 1e3:12.1f}" if name != "bare" else ""
        print(f"{WAYS[name]:<44} {statistics.median(taken) * 1e3:7.1f} {quartiles(taken, 1e3):>15} {more}")
    print(f"goal: a dyno under {GOAL_MS} ms beyond bare, and podman at least {GOAL_TIMES} times as long")
    for name in ("systemd-run", "podman"):
        if name in starts:
            ratios = [one / dyno for one, dyno in zip(starts[name], starts["dyno"], strict=True)]
            print(f"{name} : a dyno = {statistics.median(ratios):.2f} (quartiles {quartiles(ratios)})")


def steps(taken: dict[str, list[tuple[float, float]]]) -> None:
    first, *_, last = taken
    heads = f"{'median':>9} {'95 %':>14} {'processor':>11} {'95 %':>12}"
    print(f"{'the sandbox, step by step, ms':<47} {heads}")
    wall, used = (statistics.median(values) * 1e3 for values in zip(*taken[first], strict=True))
    print(f"{first:<47} {wall:9.1f} {'':14} {used:11.1f}")
    for before, name in [*pairwise(taken), (first, last)]:
        pairs = list(zip(taken[name], taken[before], strict=True))
        walls, used_more = ([(one[which] - other[which]) * 1e3 for one, other in pairs] for which in (0, 1))
        spans = [interval(walls), interval(used_more)]
        columns = f"{statistics.median(walls):9.1f} {told(spans[0]):>14} {statistics.median(used_more):11.1f}"
        label = "all of it" if (before, name) == (first, last) else f"+ {name}"
        unclear = "  not told from zero" if all(low <= 0 <= high for low, high in spans) else ""
        print(f"{label:<47} {columns} {told(spans[1]):>12}{unclear}")


def told(span: tuple[float, float]) -> str:
    return f"{span[0]:.1f} to {span[1]:.1f}"


def quartiles(values: Sequence[float], factor: float = 1) -> str:
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low * factor:.1f} to {high * factor:.1f}"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Between which of the values the true median is, with 95 % certainty, however they are spread (sign test)."""
    ordered, count = sorted(values), len(values)
    tail, below = 0.0, 0
    while below < count // 2 and (tail := tail + math.comb(count, below) / 2**count) <= 0.025:
        below += 1
    return ordered[max(below - 1, 0)], ordered[count - max(below, 1)]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
