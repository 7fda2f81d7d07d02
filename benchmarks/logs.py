"""The log's speed: `python benchmarks/logs.py [WHAT...] [--seconds 10] [--dynos 50] [--rates 1000,...] [--json]`.

WHAT is one or more of: tail drain rsyslog router fair; without any, all. An app of its own has dynos that write
numbered, timed lines, at one rate after the other: of what arrives at a tail, at a drain's endpoint on this machine,
or through rsyslog's imjournal at the same kind of endpoint, is told how much it was, what was lost, how late it came,
and what the logplex, journald and hostd (or rsyslog) took of the processor and of memory. `fair`: the delay of an app
with 100 lines/s beside one that writes as fast as it can. `router`: what is in the log of requests at full speed.

Drains to this machine have to be allowed: `drain_networks = "127.0.0.1/32"` in /etc/hostd/hostd.toml. rsyslog and wrk
are Debian's: apt-get install rsyslog wrk.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kit import Api, hostctl, inside
from receiving import Endpoint, Tail, drained
from written import Account, Result, Step, Writers, results, writers

SETTLE_SECONDS = 3.0
QUIET, NOISE = 100, 1_000_000
"""Lines a second; nobody can write as many as the second."""
RATES = "1000,10000,20000,30000,40000,50000,60000"
TICKS = os.sysconf("SC_CLK_TCK")
WHATS = ("tail", "drain", "rsyslog", "router", "fair")


class Watched:
    """Processes whose time (seconds) and memory (PSS, MB, at most) are read; by name the pids they have here."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._memory = dict.fromkeys(pids, 0.0)

    def times(self) -> dict[str, float]:
        """Each one's time so far."""
        found = {}
        for name, pid in self._pids.items():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found[name] = (int(fields[11]) + int(fields[12])) / TICKS
        return found

    def look(self) -> None:
        for name, pid in self._pids.items():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            pss = next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
            self._memory[name] = max(self._memory[name], pss)

    def memory(self) -> dict[str, float]:
        """The most that each had since this was asked last."""
        found, self._memory = self._memory, dict.fromkeys(self._pids, 0.0)
        return found


def measured(
    name: str, app: Writers, steps: Sequence[Step], account: Account, pids: Callable[[], dict[str, int]]
) -> list[dict[str, Any]]:
    """Let the dynos write, and print what arrives and what it took of some processes, step by step."""
    begin = app.plan(steps)
    account.begin(begin)
    watched = Watched(pids())
    costs, end = [], begin
    for step in steps:
        until(end)
        before, began = watched.times(), time.monotonic()
        end += step.seconds
        while time.time() < end:
            watched.look()
            until(min(end, time.time() + 1.0))
        took = time.monotonic() - began
        now = watched.times()
        costs.append(({name: (now[name] - before[name]) / took for name in now}, watched.memory()))
    until(end + SETTLE_SECONDS)
    app.scale(0)
    rows = []
    for result, (processor, memory) in zip(results(steps, begin, account), costs, strict=True):
        rows.append(
            {"what": name, **asdict(result), "kept_up": result.kept_up, "processor": processor, "memory": memory}
        )
        print(row(name, result, processor, memory), flush=True)
    if account.repeated:
        print(f"{name}: {account.repeated} lines came twice", flush=True)
    best = max((result.arrived for result in results(steps, begin, account) if result.kept_up), default=0.0)
    print(f"{name}: {best:,.0f} lines/s sustained, with nothing lost", flush=True)
    return rows


def row(name: str, result: Result, processor: dict[str, float], memory: dict[str, float]) -> str:
    """One line of the table."""
    said = "ok" if result.kept_up else f"{result.missing} lost" if result.missing else "behind"
    costs = "  ".join(f"{label(unit)} {processor[unit] * 100:.0f}% {memory[unit]:.0f} MB" for unit in processor)
    delay = f"{result.median * 1e3:7.0f} {result.p99 * 1e3:7.0f} {result.lag:6.1f}"
    return f"{name:<8} {result.rate:>7} {result.arrived:>8.0f} {delay}  {said:<10} {costs}"


HEADER = f"{'':<8} {'asked':>7} {'arrived':>8} {'ms mid':>7} {'ms p99':>7} {'s late':>6}  {'':<10} processor and memory"


def label(unit: str) -> str:
    """A unit as the table calls it."""
    return unit.removesuffix(".service").removeprefix("hostd-").removeprefix("systemd-").partition("@")[0]


def until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def account_of(steps: Sequence[Step]) -> Account:
    """Of about a thousand lines a second the delay is looked at."""
    return Account(len(steps), [max(1, step.rate // 1000) for step in steps])


def tail(api: Api, app: Writers, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """To a tail."""
    account = account_of(steps)
    reader = Tail(api, app.name, account.feed)
    try:
        return measured("tail", app, steps, account, lambda: platform(api, app))
    finally:
        reader.close()
        for error in sorted(set(reader.said))[:10]:
            print(f"tail: {error}", flush=True)


def drain(api: Api, app: Writers, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """To a drain's endpoint, in batches."""
    account = account_of(steps)
    endpoint = Endpoint(account.feed, http=True)
    try:
        with drained(api, app.name, f"http://127.0.0.1:{endpoint.port}/logs"):
            rows = measured("drain", app, steps, account, lambda: platform(api, app))
        print(f"drain: {endpoint.requests} requests", flush=True)
        return rows
    finally:
        endpoint.close()


def rsyslog(api: Api, app: Writers, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """What rsyslog makes of the same journal: imjournal to a TCP endpoint, in frames with their length."""
    account = account_of(steps)
    endpoint = Endpoint(account.feed, http=False)
    try:
        with imjournal(api, app, endpoint.port) as pid:
            return measured("rsyslog", app, steps, account, lambda: {"rsyslog": pid, **journald_of(api, app)})
    finally:
        endpoint.close()


@contextmanager
def imjournal(api: Api, app: Writers, port: int) -> Iterator[int]:
    """An rsyslogd that takes the app's journal for the machine's; its pid."""
    machine = api.path("/etc/machine-id").read_text().strip()
    folder = f"/run/hostd-benchmark-{app.id}"
    here = api.path(folder)
    (here / "journal" / machine).mkdir(parents=True)
    (here / "rsyslog.conf").write_text(
        f"""global(workDirectory="{folder}")
module(load="imjournal" StateFile="{folder}/state" Ratelimit.Interval="0" IgnorePreviousMessages="on")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"
  queue.type="LinkedList" queue.size="100000" template="RSYSLOG_SyslogProtocol23Format")
"""
    )
    journal = f"/var/log/journal/{machine}.{namespace(app)}"
    script = 'mount --bind "$1" "$2" && mount --rbind "$3" /var/log/journal && shift 3 && exec "$@"'
    # Where the installation's files are: in the box, or here.
    enter = ["nsenter", f"--target={api.path('/').parent.name}", "--mount", "--"] if api.box else []
    argv = ["rsyslogd", "-n", "-f", f"{folder}/rsyslog.conf", "-i", f"{folder}/pid"]
    words = [journal, f"{folder}/journal/{machine}", f"{folder}/journal", *argv]
    process = subprocess.Popen([*enter, "unshare", "--mount", "sh", "-c", script, "sh", *words])
    try:
        time.sleep(SETTLE_SECONDS)
        yield process.pid
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(here)


def namespace(app: Writers) -> str:
    """The journal namespace of an app's lines."""
    return f"hostd-{app.id}"


def journald_of(api: Api, app: Writers) -> dict[str, int]:
    return api.pids(f"systemd-journald@{namespace(app)}.service")


def platform(api: Api, app: Writers) -> dict[str, int]:
    """The processes of the platform that a line costs."""
    return {**api.pids("hostd-logplex.service", "hostd.service"), **journald_of(api, app)}


def fair(api: Api, noisy: Writers, seconds: float) -> list[dict[str, Any]]:
    """The delay of a quiet app, alone and beside one that writes as fast as it can."""
    rows = []
    with writers(api, 1) as quiet:
        for name in ("alone", "beside a noisy app"):
            other = account_of([Step(NOISE, 1)])
            loud = Tail(api, noisy.name, other.feed)
            if name != "alone":
                other.begin(noisy.plan([Step(NOISE, seconds + 30)]))
            steps = [Step(QUIET, seconds)]
            account = account_of(steps)
            reader = Tail(api, quiet.name, account.feed)
            begin = quiet.plan(steps)
            account.begin(begin)
            before, began = other.steps[0].lines, time.monotonic()
            until(begin + seconds + 1)
            rate = (other.steps[0].lines - before) / (time.monotonic() - began)
            (result,) = results(steps, begin, account)
            rows.append({"what": "fair", "beside": name, "noise": rate, **asdict(result)})
            print(f"fair     {QUIET} lines/s {name}: {result.median * 1e3:.0f} ms, p99 {result.p99 * 1e3:.0f} ms,"
                  f" {result.missing} lost; the other: {rate:,.0f} lines/s to its tail", flush=True)  # fmt: skip
            for tail_ in (reader, loud):
                tail_.close()
            noisy.scale(0)
    return rows


def router(api: Api, app: Writers, seconds: float) -> list[dict[str, Any]]:
    """How many lines there are of requests as fast as the router answers them itself (maintenance mode)."""
    counted: list[int] = [0]

    def feed(piece: bytes) -> None:
        counted[0] += piece.count(b" heroku[router]: ")

    hostctl("maintenance:on", "-a", app.name)
    reader = Tail(api, app.name, feed)
    since = time.time()
    try:
        host = app.url.removeprefix("http://").rstrip("/")
        address = f"http://127.0.0.1:{host.partition(':')[2] or 80}/"
        argv = ["wrk", "-t", "1", "-c", "64", "-d", f"{seconds:g}s", "-H", f"Host: {host}", address]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        requests = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
        time.sleep(SETTLE_SECONDS)
    finally:
        reader.close()
        hostctl("maintenance:off", "-a", app.name)
    words = ["--namespace=*", f"--since=@{since:.0f}", "--output=cat", "--grep=messages of the router were", "--quiet"]
    lost = inside(["sh", "-c", 'journalctl "$@" || true', "sh", *words])
    dropped = sum(int(line.partition("-> ")[2].split()[0]) for line in lost.splitlines())
    told = sum(int(error.partition("dropped ")[2].split()[0]) for error in set(reader.said))
    print(f"router   {requests / seconds:,.0f} requests/s: {requests} answered, {counted[0]} lines at the tail,"
          f" {told} told as lost there, {dropped} counted as lost by the router", flush=True)  # fmt: skip
    return [{"what": "router", "requests": requests, "lines": counted[0], "told": told, "dropped": dropped}]


def main() -> int:
    parser = argparse.ArgumentParser(description="the log's speed")
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{' '.join(WHATS)}; by default all")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each rate")
    parser.add_argument("--dynos", type=int, default=50)
    parser.add_argument("--rates", default=RATES, help="lines a second, one after the other: %(default)s")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    options = parser.parse_args()
    whats = options.what or list(WHATS)
    if unknown := set(whats) - set(WHATS):
        parser.error(f"there is no {' '.join(unknown)}: say {' '.join(WHATS)}")
    for what, tool in {"rsyslog": "rsyslogd", "router": "wrk"}.items():
        if what in whats and shutil.which(tool) is None:
            parser.error(f"{what} needs {tool}: apt-get install rsyslog wrk")
    # Also when it is told to end the app goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    steps = [Step(int(rate), options.seconds) for rate in options.rates.split(",")]
    api, rows = Api(), list[dict[str, Any]]()
    with writers(api, options.dynos) as app:
        print(HEADER, flush=True)
        for what, measure in {"tail": tail, "drain": drain, "rsyslog": rsyslog}.items():
            if what in whats:
                rows += measure(api, app, steps)
        if "router" in whats:
            rows += router(api, app, options.seconds)
        if "fair" in whats:
            rows += fair(api, app, options.seconds)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
