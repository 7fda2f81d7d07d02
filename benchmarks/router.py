"""Router against nginx: one worker each, access log on, the same backend, alternating rounds of one run.

    python benchmarks/router.py [--seconds 3] [--rounds 5] [--clients 64]

Prints the medians of requests per second and of the 99th percentile, and their ratios. The proxy under test has the
first core for itself; wrk and the backend share the second. Needs nginx and wrk (apt-get install nginx-light wrk).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from router.store import save
from router.table import App, Dyno, State, Table

NGINX = """
worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}.err;
events {{ worker_connections 4096; }}
http {{
  access_log {log}; keepalive_requests 1000000000;
  client_body_temp_path {folder}/{name}-b; proxy_temp_path {folder}/{name}-p; fastcgi_temp_path {folder}/{name}-f;
  uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {body}
}}
"""
BACKEND = 'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello world\\n"; }} }}'
PROXY = """
  upstream dyno {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://dyno; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Request-ID $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Start $msec;
    proxy_set_header Via "1.1 nginx";
  }} }}
"""


@dataclass(frozen=True)
class Result:
    """One round of wrk: requests per second, 50th and 99th percentile in ms, and microseconds of CPU per request."""

    rate: float
    p50: float
    p99: float
    cpu: float


def main() -> int:
    parser = argparse.ArgumentParser(description="the router against nginx")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=64, help="keep-alive connections")
    options = parser.parse_args()
    missing = [tool for tool in ("nginx", "wrk", "taskset") if not shutil.which(tool)]
    if missing:
        print(f"{', '.join(missing)} not found: apt-get install nginx-light wrk util-linux", file=sys.stderr)
        return 2
    cores = sorted(os.sched_getaffinity(0))
    mine, theirs = cores[0], cores[-1]
    results: dict[str, list[Result]] = {"nginx": [], "hostd-router": []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-benchmark-")))
        backend, nginx, ours = (free_port() for _ in range(3))
        stack.enter_context(nginx_process(folder, "backend", BACKEND.format(port=backend), backend, theirs, "off"))
        proxy = PROXY.format(port=nginx, backend=backend)
        pids = {
            "nginx": stack.enter_context(nginx_process(folder, "proxy", proxy, nginx, mine, f"{folder}/access.log")),
            "hostd-router": stack.enter_context(router_process(folder, ours, backend, mine)),
        }
        ports = {"nginx": nginx, "hostd-router": ours}
        for turn in range(options.rounds + 1):
            for name, port in ports.items():
                # The first turn warms connections and caches up and is not counted.
                seconds = options.seconds if turn else 1
                result = measure(port, pids[name], theirs, options.clients, seconds)
                if turn:
                    results[name].append(result)
                    print(f"round {turn} {name:13} {result.rate:9,.0f} req/s, p99 {result.p99} ms", file=sys.stderr)
        memory = pss(pids["hostd-router"])
    report(results, memory)
    return 0


def report(results: dict[str, list[Result]], memory: int) -> None:
    """Print the medians and the ratios of the medians."""
    middle = {
        name: Result(*(median(getattr(item, part) for item in rounds) for part in ("rate", "p50", "p99", "cpu")))
        for name, rounds in results.items()
    }
    print(f"{'':13} {'req/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU us/req':>11}")
    for name, item in middle.items():
        print(f"{name:13} {item.rate:9,.0f} {item.p50:8.2f} {item.p99:8.2f} {item.cpu:11.1f}")
    nginx, ours = middle["nginx"], middle["hostd-router"]
    print(
        f"{'ours / nginx':13} {ours.rate / nginx.rate:9.2f} {ours.p50 / nginx.p50:8.2f} {ours.p99 / nginx.p99:8.2f} "
        f"{ours.cpu / nginx.cpu:11.2f}"
    )
    print(f"memory of the router worker after the run: {memory / 1024:.1f} MiB (PSS)")


def measure(port: int, pid: int, core: int, clients: int, seconds: int) -> Result:
    """One round of wrk against a port; raises RuntimeError if any request failed."""
    before = cpu_seconds(pid)
    argv = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency"]
    text = subprocess.run(
        [*argv, f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True, timeout=seconds + 30
    ).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"requests failed:\n{text}")
    count = int(re.search(r"(\d+) requests in", text)[1])
    used = cpu_seconds(pid) - before
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    return Result(rate, percentile(text, 50), percentile(text, 99), used / count * 1e6)


def percentile(text: str, rank: int) -> float:
    """A percentile of wrk's report in milliseconds."""
    value, unit = re.search(rf"{rank}%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss(pid: int) -> int:
    """Memory of a process in KiB, shared pages divided among their users."""
    return int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])


@contextmanager
def nginx_process(folder: Path, name: str, body: str, port: int, core: int, log: str) -> Iterator[int]:
    """An nginx with one worker; yields the worker's pid."""
    path = folder / f"{name}.conf"
    path.write_text(NGINX.format(folder=folder, name=name, log=log, body=body))
    argv = ["taskset", "-c", str(core), "nginx", "-e", str(folder / "start.err"), "-c", str(path)]
    with running(argv, port) as master:
        yield int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


@contextmanager
def router_process(folder: Path, port: int, backend: int, core: int) -> Iterator[int]:
    """A router worker that logs to a file, as nginx does; yields its pid."""
    app = App("benchmark", "benchmark", ("127.0.0.1",), State.UP, (Dyno("web.1", "127.0.0.1", backend),))
    save(folder / "routes.json", Table(1, "localhost", (app,)))
    code = "import sys; from router.worker import main; sys.exit(main())"
    argv = ["taskset", "-c", str(core), sys.executable, "-c", code, "--listen", f"127.0.0.1:{port}"]
    paths = ["--routes", str(folder / "routes.json"), "--control", str(folder / "1.sock")]
    with (folder / "router.log").open("wb") as log, running([*argv, *paths], port, stderr=log) as pid:
        yield pid


@contextmanager
def running(argv: list[str], port: int, **options: object) -> Iterator[int]:
    """A child process that listens on the port when the block begins and is ended with it."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(argv, env=environment, **options)
    try:
        wait_for(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the port is listened on; raises RuntimeError if the process ends instead, or after 10 s."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            raise RuntimeError(f"{process.args} ended with status {process.wait(0.02)}")
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError(f"{process.args} does not listen on port {port}")


if __name__ == "__main__":
    sys.exit(main())
