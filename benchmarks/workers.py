"""What a second worker adds: the router and nginx with one worker and with two, each worker held to a part of a core.

    python benchmarks/workers.py [--share 20] [--seconds 3] [--rounds 7] [--clients 64]

A machine of two cores cannot show two workers at full speed, as who asks and who answers need a core as well. So each
worker gets a control group of its own with a quota of processor time (as CPUQuota=20% would), and all else has what it
wants. Prints medians of all rounds, the processor time that a request costs the workers, which tells whether they
hinder each other even where other work on the machine keeps them from their share, and how the connections were
shared. Needs root, nginx and wrk.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from proxies import HOST, backend, free_port, running

from router.store import save
from router.table import App, Dyno, State, Table

V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Microseconds: a worker that has used up its quota stands still until the next one begins."""
MOST = 2
STARTS_SECONDS = 30
NGINX = """
worker_processes {count}; daemon off; pid {folder}/nginx-{count}.pid; error_log {folder}/nginx-{count}.err;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/nginx.log; keepalive_requests 1000000000;
  client_body_temp_path {folder}/{count}-b; proxy_temp_path {folder}/{count}-p; fastcgi_temp_path {folder}/{count}-f;
  uwsgi_temp_path {folder}/{count}-u; scgi_temp_path {folder}/{count}-s;
  upstream dyno {{ server {host}:{backend}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen {host}:{port} backlog=4096 reuseport;
    location / {{ proxy_pass http://dyno; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Request-ID $request_id; proxy_set_header X-Request-Start $msec;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port; proxy_set_header Via "1.1 nginx"; }} }}
}}
"""

Serving = tuple[int, list[int]]
"""The port, and the processes that serve there."""


@dataclass(frozen=True)
class Taken:
    """What a round has shown: requests per second, processor time in microseconds for each, connections by worker."""

    rate: float
    cost: float
    connections: list[int]


def main() -> int:
    parser = argparse.ArgumentParser(description="what a second worker adds")
    parser.add_argument("--share", type=int, default=20, help="per cent of a core that a worker has")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clients", type=int, default=64, help="keep-alive connections")
    options = parser.parse_args()
    if missing := [tool for tool in ("nginx", "wrk", "taskset") if not shutil.which(tool)]:
        print(f"{', '.join(missing)} not found: apt-get install nginx-light wrk util-linux", file=sys.stderr)
        return 2
    taken: dict[str, list[list[Taken]]] = {}
    with tempfile.TemporaryDirectory(prefix="workers-benchmark-") as made, ExitStack() as stack:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "files").mkdir()
        behind = stack.enter_context(backend(folder, max(os.sched_getaffinity(0))))
        starts = {
            name: [stack.enter_context(limited(start(folder, behind, count), options.share)) for count in (1, MOST)]
            for name, start in {"hostd-router": router, "nginx": nginx}.items()
        }
        # The first round warms up.
        for number in range(options.rounds + 1):
            for name, servings in starts.items():
                row = [ask(port, workers, options.clients, options.seconds) for port, workers in servings]
                if number:
                    taken.setdefault(name, []).append(row)
                    for each in row:
                        shared = " and ".join(map(str, each.connections))
                        print(f"{number} {name}: {each.rate:,.0f} req/s, connections {shared}", file=sys.stderr)
    report(options.share, taken)
    return 0


def ask(port: int, workers: list[int], clients: int, seconds: int) -> Taken:
    """Ask over connections that are kept."""
    before = sum(map(busy, workers))
    argv = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", f"http://{HOST}:{port}/"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as wrk:
        time.sleep(seconds / 2)
        connections = [connected(worker, port) for worker in workers]
        text, _ = wrk.communicate()
    rate, count = (re.search(pattern, text) for pattern in (r"Requests/sec:\s+([\d.]+)", r"(\d+) requests in"))
    if rate is None or count is None or "Non-2xx" in text:
        raise SystemExit(f"requests failed:\n{text}")
    return Taken(float(rate[1]), (sum(map(busy, workers)) - before) / int(count[1]) * 1e6, connections)


def busy(pid: int) -> float:
    """The processor time in seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connected(pid: int, port: int) -> int:
    """How many connections to a port of ours a process has."""
    places = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    ours = {f"socket:[{place[9]}]" for place in places if place[1].endswith(f":{port:04X}") and place[3] == "01"}
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(descriptor.readlink()) in ours
    return count


@contextmanager
def router(folder: Path, behind: int, count: int) -> Iterator[Serving]:
    """Workers of the router, each with a socket of its own at the same port, as systemd's units give them."""
    port = free_port()
    app = App("id", "app", (HOST,), State.UP, (Dyno("web.1", HOST, behind),))
    routes = folder / f"routes-{count}.json"
    save(routes, Table(1, "localhost", (app,)))
    with ExitStack() as stack:
        workers = []
        for number in range(1, count + 1):
            words = [f"--worker={number}", f"--control={folder}/{count}-{number}.sock", f"--routes={routes}"]
            argv = [sys.executable, "-c", "from router.worker import main; main()", *words, f"--listen={HOST}:{port}"]
            log = stack.enter_context((folder / f"router-{count}-{number}.log").open("wb"))
            workers.append(stack.enter_context(running(argv, port, stderr=log)))
            # The port answers for all as soon as it does for one.
            wait_for((folder / f"{count}-{number}.sock").exists)
        yield port, workers


@contextmanager
def nginx(folder: Path, behind: int, count: int) -> Iterator[Serving]:
    """nginx with so many workers, and a socket for each."""
    port, path = free_port(), folder / f"nginx-{count}.conf"
    path.write_text(NGINX.format(folder=folder, count=count, host=HOST, port=port, backend=behind))
    with running(["nginx", "-e", str(folder / "start.err"), "-c", str(path)], port) as master:
        children = Path(f"/proc/{master}/task/{master}/children")
        wait_for(lambda: len(children.read_text().split()) == count)
        yield port, [int(pid) for pid in children.read_text().split()]


@contextmanager
def limited(serving: AbstractContextManager[Serving], share: int) -> Iterator[Serving]:
    """Hold each worker to so many per cent of a core."""
    with serving as (port, workers), ExitStack() as stack:
        for worker in workers:
            stack.enter_context(quota(worker, PERIOD * share // 100))
        yield port, workers


@contextmanager
def quota(pid: int, microseconds: int) -> Iterator[None]:
    """Hold a process to so much processor time in each period, in a control group of its own (version 1 or 2)."""
    first = (V1 / "cpu.cfs_quota_us").exists()
    root = V1 if first else V2
    group = root / f"hostd-benchmark-{pid}"
    group.mkdir()
    try:
        if first:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(microseconds))
        else:
            (group / "cpu.max").write_text(f"{microseconds} {PERIOD}")
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with suppress(ProcessLookupError):
            (root / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something has begun."""
    end = time.monotonic() + STARTS_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("a worker did not start")
        time.sleep(0.02)


def report(share: int, taken: dict[str, list[list[Taken]]]) -> None:
    """Print the medians, and what the second worker adds in the same round."""
    print(f"each worker has {share} % of a core")
    columns = ("req/s of one", "of two", "two / one", "us/request of one", "of two", "connections of the busier one")
    print(f"{'':14}" + "".join(f"{column:>{len(column) + 3}}" for column in columns))
    for name, rows in taken.items():
        one, two = ([row[number] for row in rows] for number in (0, 1))
        shown = (
            f"{median(each.rate for each in one):,.0f}",
            f"{median(each.rate for each in two):,.0f}",
            f"{median(more.rate / less.rate for less, more in zip(one, two, strict=True)):.2f}",
            f"{median(each.cost for each in one):.1f}",
            f"{median(each.cost for each in two):.1f}",
            f"{median(max(each.connections) / sum(each.connections) for each in two):.0%}",
        )
        print(f"{name:14}" + "".join(f"{text:>{len(column) + 3}}" for text, column in zip(shown, columns, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
