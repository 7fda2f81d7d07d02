"""Dynos that write numbered, timed lines at a set rate, and the account of what arrives of them.

A line is `#RUN.DYNO NUMBER STEP TIME` and text up to 100 bytes. Each dyno writes what is due every few milliseconds,
one `write` a line, and never more than is due by the clock: who is held up catches up, as far as the step lasts. The
last line of each is `end`, so that what is lost in front of it is known too.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit import Api, hostctl

SIZE = "64M"
PROCFILE = "worker: exec perl write.pl\n"
WRITER = r"""
use Time::HiRes qw(time sleep);
exit 0 + sleep(1 << 30) unless $ENV{PLAN};
my ($start, $dynos, @steps) = split /[ ]/, $ENV{PLAN};
my $run = $start % 10000;
my ($dyno) = $ENV{DYNO} =~ /(\d+)$/;
my ($number, $count, $text) = (0, 0, "of text that is the same in all lines, or they would be no longer");
for my $step (@steps) {
  my ($rate, $seconds) = map { $_ + 0 } split /:/, $step;
  my ($share, $end, $done) = ($rate / $dynos, $start + $seconds, 0);
  my $phase = $dyno / $dynos / $share;
  while ((my $now = time) < $end) {
    my $due = int(($now - $start - $phase) * $share + 1);
    if ($done >= $due) {
      my $next = $start + $phase + $done / $share - $now;
      sleep($next > 0.005 ? $next : 0.005);
      next;
    }
    while ($done < $due) {
      $done++;
      syswrite STDOUT, sprintf("#%04d.%03d %09d %02d %.6f %-62s\n", $run, $dyno, ++$number, $count, time, $text);
    }
  }
  $start = $end;
  $count++;
}
syswrite STDOUT, sprintf("#%04d.%03d %09d %02d %.6f %-62s\n", $run, $dyno, ++$number, $count - 1, time, "end");
sleep(1 << 30);
"""
NEVER = re.compile(rb"(?!)")
LONGEST = 400
"""Bytes of a piece that may be the beginning of a line."""
START_SECONDS = 10.0


@dataclass(frozen=True)
class Step:
    """So many lines a second, from all dynos together."""

    rate: int
    seconds: float


@dataclass
class Arrived:
    """What arrived of one step."""

    lines: int = 0
    missing: int = 0
    repeated: int = 0
    last: float = 0.0
    """When the last line came, unix seconds."""
    delays: list[float] = field(default_factory=list)


class Account:
    """Counts lines as they arrive, by their numbers. `feed` takes pieces of any stream that has them in it."""

    def __init__(self, steps: int, sample: Sequence[int]) -> None:
        self.steps = [Arrived() for _ in range(steps)]
        self.newest = 0.0
        """When the newest line was written of those whose delay is looked at, unix seconds."""
        self.ended: set[bytes] = set()
        """Dynos whose last line came."""
        self._sample = sample
        self._numbers: dict[bytes, int] = {}
        self._rest = b""
        self._line = NEVER

    def begin(self, moment: float) -> None:
        """Count the lines of the plan that begins then, and no others."""
        self.newest = moment
        self._line = re.compile(rb"#%04d\.(\d{3}) (\d{9}) (\d\d) (\d+\.\d{6}) ([oe])" % (int(moment) % 10000))

    def feed(self, piece: bytes) -> None:
        now, block = time.time(), self._rest + piece
        end, numbers, steps, sample = 0, self._numbers, self.steps, self._sample
        for match in self._line.finditer(block):
            dyno, text, step, written, first = match.groups()
            end = match.end()
            number = int(text)
            expected = numbers.get(dyno, 0) + 1
            if number != expected:
                if number < expected:
                    steps[int(step)].repeated += 1
                    continue
                steps[int(step)].missing += number - expected
            numbers[dyno] = number
            if first == b"e":
                self.ended.add(dyno)
                continue
            arrived = steps[int(step)]
            arrived.lines += 1
            arrived.last = now
            if number % sample[int(step)] == 0:
                self.newest = float(written)
                arrived.delays.append(now - self.newest)
        self._rest = block[max(end, len(block) - LONGEST) :]


@dataclass(frozen=True)
class Result:
    """What came of a step. `arrived` in lines a second, times in seconds; `lag` is how late the last line was."""

    rate: int
    arrived: float
    missing: int
    twice: int
    lag: float
    median: float
    p99: float

    @property
    def kept_up(self) -> bool:
        """Whether all that was asked for was written and arrived within two seconds, with nothing lost."""
        return not self.missing and self.lag < 2.0 and self.arrived > 0.97 * self.rate


class Writers:
    """An app whose dynos write."""

    def __init__(self, api: Api, app: dict[str, Any], dynos: int) -> None:
        self.api, self.dynos = api, dynos
        self.id, self.name, self.url = str(app["id"]), str(app["name"]), str(app["web_url"])

    def plan(self, steps: Sequence[Step]) -> float:
        """Start the dynos with a plan; when they will begin, unix seconds."""
        wait = START_SECONDS
        while True:
            self.scale(0)
            begin = time.time() + wait
            text = " ".join([f"{begin:.3f}", str(self.dynos), *(f"{step.rate}:{step.seconds:g}" for step in steps)])
            self.api.ask("PATCH", f"/apps/{self.name}/config-vars", {"PLAN": text})
            self.scale(self.dynos)
            if time.time() < begin:
                return begin
            wait *= 2

    def scale(self, count: int) -> None:
        update = {"type": "worker", "quantity": count, "size": SIZE}
        self.api.ask("PATCH", f"/apps/{self.name}/formation", {"updates": [update]})
        while True:
            dynos = self.api.ask("GET", f"/apps/{self.name}/dynos")
            if len(dynos) == count and all(dyno["state"] == "up" for dyno in dynos):
                return
            time.sleep(0.2)


@contextmanager
def writers(api: Api, dynos: int) -> Iterator[Writers]:
    """An app with so many dynos, destroyed at the end."""
    app = api.ask("POST", "/apps", {})
    try:
        with tempfile.TemporaryDirectory(prefix="hostd-benchmark-") as folder:
            Path(folder, "Procfile").write_text(PROCFILE)
            Path(folder, "write.pl").write_text(WRITER)
            hostctl("deploy", folder, "-a", app["name"])
        made = Writers(api, app, dynos)
        made.scale(0)
        yield made
    finally:
        hostctl("apps:destroy", "-a", app["name"], "--confirm", app["name"])


def results(steps: Sequence[Step], begin: float, account: Account) -> list[Result]:
    """What came of each step; the account may have more of them."""
    found, end = [], begin
    for step, arrived in zip(steps, account.steps, strict=False):
        end += step.seconds
        delays = sorted(arrived.delays) or [float("nan")]
        middle, slow = statistics.median(delays), delays[int(len(delays) * 0.99)]
        lag = max(0.0, arrived.last - end) if arrived.lines else float("nan")
        rate = arrived.lines / step.seconds
        found.append(Result(step.rate, rate, arrived.missing, arrived.repeated, lag, middle, slow))
    return found
