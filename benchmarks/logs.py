"""The log's speed: `python benchmarks/logs.py [WHAT...] [--seconds 5] [--dynos 50] [--rates 1000,...] [--json FILE]`.

WHAT is one or more of: tail drain https rsyslog router fair; without any, all, in less than six minutes. An app of its
own has dynos that write numbered, timed lines, at one rate after the other: of what arrives at a tail, at a drain's
endpoint on this machine by http and by https, or through rsyslog's imjournal at an endpoint that does no less, is told
how much it was, what was lost, what came twice, how late it came, and what the logplex, journald and hostd (or rsyslog)
took of the processor and of memory; and in the end all of that side by side. `fair`: the delay of an app with 100
lines/s beside one that writes as fast as it can. `router`: what is in the log of requests at full speed.

The installation is the one that hostctl reaches (HOSTCTL=... names another), best a box: that gets the settings it
needs and trust in the endpoint's certificate for as long as this runs, and its own back then. On a server, or without
rsyslog and wrk, what is missing is said before anything begins.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import comparison
import ground
from imjournal import imjournal
from kit import Api, hostctl, inside
from receiving import Endpoint, Tail, certificate, drained
from written import Account, Result, Step, Writers, results, writers

SETTLE_SECONDS = 3.0
LATE_SECONDS = 20.0
"""So long is waited for lines that are late."""
HOPELESS_SECONDS = 5.0
"""Who is so far behind at the end of a step is not asked for more."""
CONNECTIONS = 64
QUIET, NOISE = 100, 1_000_000
"""Lines a second; nobody can write as many as the second."""
RATES = "1000,10000,20000,30000,40000,50000,60000"
TICKS = os.sysconf("SC_CLK_TCK")
WHATS = ("tail", "drain", "https", "rsyslog", "router", "fair")


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
            with suppress(ProcessLookupError):  # it has ended
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
        if (behind := end - account.newest) > HOPELESS_SECONDS:
            print(f"{name}: {behind:.1f} s behind at {step.rate:,} lines/s: no higher rate was tried", flush=True)
            break
    steps = steps[: len(costs)]
    hopeless = behind > HOPELESS_SECONDS
    wait_until(lambda: hopeless or len(account.ended) == app.dynos)
    time.sleep(0.2)  # for lines that come twice
    app.scale(0)
    rows, found = [], results(steps, begin, account)
    if hopeless:
        found[-1] = replace(found[-1], lag=max(found[-1].lag, behind))
    for result, (processor, memory) in zip(found, costs, strict=True):
        rows.append(
            {"what": name, **asdict(result), "kept_up": result.kept_up, "processor": processor, "memory": memory}
        )
        print(row(name, result, processor, memory), flush=True)
    if (open_ := app.dynos - len(account.ended)) and not hopeless:
        print(f"{name}: of {open_} dynos the last lines had not come after {LATE_SECONDS:g} s", flush=True)
    best = max((result.arrived for result in found if result.kept_up), default=0.0)
    print(f"{name}: {best:,.0f} lines/s sustained, with nothing lost", flush=True)
    return rows


def row(name: str, result: Result, processor: dict[str, float], memory: dict[str, float]) -> str:
    """One line of the table."""
    said = "ok" if result.kept_up else f"{result.missing} lost" if result.missing else "behind"
    said += f", {result.twice} twice" if result.twice else ""
    costs = "  ".join(f"{label(unit)} {processor[unit] * 100:.0f}% {memory[unit]:.0f} MB" for unit in processor)
    delay = f"{result.median * 1e3:7.0f} {result.p99 * 1e3:7.0f} {result.lag:6.1f}"
    return f"{name:<8} {result.rate:>7} {result.arrived:>8.0f} {delay}  {said:<12} {costs}"


HEADER = f"{'':<8} {'asked':>7} {'arrived':>8} {'ms mid':>7} {'ms p99':>7} {'s late':>6}  {'':<12} processor and memory"


def label(unit: str) -> str:
    """A unit as the table calls it."""
    return unit.removesuffix(".service").removeprefix("hostd-").removeprefix("systemd-").partition("@")[0]


def wait_until(done: Callable[[], bool]) -> None:
    """Wait for what is late, as long as that makes sense."""
    deadline = time.monotonic() + LATE_SECONDS
    while not done() and time.monotonic() < deadline:
        time.sleep(0.1)


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
        return sent("drain", api, app, steps, account, endpoint, f"http://127.0.0.1:{endpoint.port}/logs")
    finally:
        endpoint.close()


def https(api: Api, app: Writers, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The same over TLS, with a certificate that the box trusts meanwhile."""
    account = account_of(steps)
    with tempfile.TemporaryDirectory(prefix="hostd-benchmark-") as folder:
        own, context = certificate(Path(folder))
        endpoint = Endpoint(account.feed, http=True, tls=context)
        try:
            with ground.trusted(api, own):
                return sent("https", api, app, steps, account, endpoint, f"https://localhost:{endpoint.port}/logs")
        finally:
            endpoint.close()


def sent(
    name: str, api: Api, app: Writers, steps: Sequence[Step], account: Account, endpoint: Endpoint, url: str
) -> list[dict[str, Any]]:
    """What comes by a drain, and what the drain says of it."""
    with drained(api, app.name, url) as status:
        rows = measured(name, app, steps, account, lambda: platform(api, app))
        said = status()
    print(f"{name}: {endpoint.requests} requests; the drain says: {said['delivered']} delivered, {said['lost']} lost;"
          f" its last error: {(said['last_error'] or {}).get('message', 'none')}", flush=True)  # fmt: skip
    return rows


def rsyslog(api: Api, app: Writers, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """What rsyslog makes of the same journal: imjournal to a TCP endpoint, in frames with their length."""
    account = account_of(steps)
    endpoint = Endpoint(account.feed, http=False)
    try:
        with imjournal(api, app.id, endpoint.port) as pid:
            return measured("rsyslog", app, steps, account, lambda: {"rsyslog": pid, **journald_of(api, app)})
    finally:
        endpoint.close()


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
            other, steps = account_of([Step(NOISE, 1)]), [Step(QUIET, seconds)]
            account = account_of(steps)
            with closing(Tail(api, noisy.name, other.feed)), closing(Tail(api, quiet.name, account.feed)):
                if name != "alone":
                    other.begin(noisy.plan([Step(NOISE, seconds + 30)]))
                begin = quiet.plan(steps)
                account.begin(begin)
                before, began = other.steps[0].lines, time.monotonic()
                until(begin + seconds + 1)
                rate = (other.steps[0].lines - before) / (time.monotonic() - began)
            noisy.scale(0)
            (result,) = results(steps, begin, account)
            rows.append({"what": "fair", "beside": name, "noise": rate, **asdict(result)})
            print(f"fair     {QUIET} lines/s {name}: {result.median * 1e3:.0f} ms, p99 {result.p99 * 1e3:.0f} ms,"
                  f" {result.missing} lost; the other: {rate:,.0f} lines/s to its tail", flush=True)  # fmt: skip
    return rows


def router(api: Api, app: Writers, seconds: float) -> list[dict[str, Any]]:
    """How many lines there are of requests as fast as the router answers them itself (maintenance mode)."""
    lines, last = 0, time.monotonic()

    def feed(piece: bytes) -> None:
        nonlocal lines, last
        lines, last = lines + piece.count(b" heroku[router]: "), time.monotonic()

    lost_before, since = lost_lines(api), time.time()
    hostctl("maintenance:on", "-a", app.name)
    reader = Tail(api, app.name, feed)
    try:
        wait_until(lambda: time.monotonic() - last > SETTLE_SECONDS)  # for what was written before
        before = len(set(reader.said))
        host = app.url.removeprefix("http://").rstrip("/")
        address = f"http://127.0.0.1:{host.partition(':')[2] or 80}/"
        argv = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds:g}s", "-H", f"Host: {host}", address]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        requests = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
        wait_until(lambda: time.monotonic() - last > SETTLE_SECONDS)
    finally:
        reader.close()
        hostctl("maintenance:off", "-a", app.name)
    dropped = lost_lines(api) - lost_before
    words = [f"--namespace={namespace(app)}", f"--since=@{since:.0f}", "--output=cat", "--quiet"]
    words.append("--grep=messages of the router were lost")
    lost = inside(["sh", "-c", 'journalctl "$@" || true', "sh", *words])
    logged = sum(int(line.partition("-> ")[2].split()[0]) for line in lost.splitlines())
    errors = " ".join(list(dict.fromkeys(reader.said))[before:])
    told = sum(int(number) for number in re.findall(r"dropped (\d+)", errors))
    # What was on its way when wrk ended was answered, and is in the log, but is none of its requests.
    missing = requests - lines - told - dropped
    verdict = "every one kept or counted" if -CONNECTIONS <= missing <= 0 else f"{missing} neither kept nor counted"
    print(f"router   {requests / seconds:,.0f} requests/s: {requests} answered, {lines} lines at the tail,"
          f" {told} told as lost there (L11), {dropped} counted by the router, {logged} of those told in the log (L13):"
          f" {verdict}", flush=True)  # fmt: skip
    row = {"requests": requests, "lines": lines, "told": told, "dropped": dropped, "logged": logged}
    return [{"what": "router", "seconds": seconds, "missing": missing, **row}]


def lost_lines(api: Api) -> int:
    """How many request lines the router's workers have dropped so far."""
    return sum(worker["log_lines_lost"] for worker in api.ask("GET", "/hostd/router"))


def main() -> int:
    parser = argparse.ArgumentParser(description="the log's speed")
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{' '.join(WHATS)}; by default all")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each rate")
    parser.add_argument("--dynos", type=int, default=50)
    parser.add_argument("--rates", default=RATES, help="lines a second, one after the other: %(default)s")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    options = parser.parse_args()
    whats = options.what or list(WHATS)
    if unknown := set(whats) - set(WHATS):
        parser.error(f"there is no {' '.join(unknown)}: say {' '.join(WHATS)}")
    # Also when it is told to end the app goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    steps = [Step(int(rate), options.seconds) for rate in options.rates.split(",")]
    api, rows = ground.installation(), list[dict[str, Any]]()
    ground.check(api, whats)
    with ground.prepared(api), writers(api, options.dynos) as app:
        print(HEADER, flush=True)
        for what, measure in {"tail": tail, "drain": drain, "https": https, "rsyslog": rsyslog}.items():
            if what in whats:
                rows += measure(api, app, steps)
        if "router" in whats:
            rows += router(api, app, options.seconds)
        if "fair" in whats:
            rows += fair(api, app, options.seconds)
    print(f"\n{comparison.table(rows)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
