"""What `router.py` puts on a proxy, one function for each kind of load: each returns figures by what they are called.

Everything that asks or answers runs on one core, and the proxy has the other for itself. `us` are microseconds of the
proxy's processor time for each request.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from proxies import FILES, HOST, Proxy

Figures = dict[str, float]
GIB = 1 << 30
IDLE = 10_000
PACE, PACED_CLIENTS = 1000, 50
REQUEST = b"GET / HTTP/1.1\r\nHost: app-0.localhost\r\n\r\n"
ECHO_CLIENTS, ECHO_BYTES = 64, 128
HANDSHAKERS = 8
HTTP2_CLIENTS, STREAMS = 16, 10
_SLACK_SECONDS = 180


@dataclass(frozen=True)
class Asking:
    """Who asks: on which core, how many connections, for how many seconds, and where its files are."""

    core: int
    clients: int
    seconds: int
    folder: Path
    names: Sequence[str]

    def wrk(self, proxy: Proxy, path: str, *options: str, secure: bool = False) -> Figures:
        """As many requests as it takes, over connections that are kept unless an option says otherwise."""
        scheme, port = ("https", proxy.tls) if secure else ("http", proxy.port)
        argv = ["wrk", "-t1", f"-c{self.clients}", f"-d{self.seconds}s", "--latency", *options]
        with busy(proxy) as used:
            text = self.run([*argv, f"{scheme}://{HOST}:{port}{path}"])
        if "Non-2xx" in text or re.search(r"Socket errors: .*(read|write|timeout) [1-9]", text):
            raise SystemExit(f"requests to {proxy.name} failed:\n{text}")
        found, rate = (re.search(pattern, text) for pattern in (r"(\d+) requests in", r"Requests/sec:\s+([\d.]+)"))
        assert found is not None and rate is not None, text
        return {
            "req/s": float(rate[1]),
            "p50 ms": percentile(text, 50),
            "p99 ms": percentile(text, 99),
            "us/request": used() / int(found[1]) * 1e6,
        }

    def h2load(self, proxy: Proxy, path: str) -> Figures:
        """As many requests as it takes by HTTP/2 over TLS, on connections that are kept, on each some at once."""
        log = self.folder / "h2load.log"
        log.unlink(missing_ok=True)
        url = f"https://{HOST}:{proxy.tls}{path}"
        # One that is to end by the clock never does if that is over before it has been let in.
        self.run(["h2load", "-n1", url])
        argv = ["h2load", f"-c{HTTP2_CLIENTS}", f"-m{STREAMS}", f"-D{self.seconds}", f"--log-file={log}", url]
        with busy(proxy) as used:
            text = self.run(argv)
        rate = re.search(r"finished in [^,]+, ([\d.]+) req/s", text)
        # When the request began, its status, and how long it took, in microseconds.
        rows = [line.split("\t") for line in log.read_text().splitlines()]
        if "Application protocol: h2\n" not in text or rate is None or any(row[1] != "200" for row in rows):
            raise SystemExit(f"requests to {proxy.name} failed:\n{text}")
        ranks = quantiles((int(row[2]) / 1000 for row in rows), n=100)
        return {
            "req/s": float(rate[1]),
            "p50 ms": ranks[49],
            "p99 ms": ranks[98],
            "us/request": used() / len(rows) * 1e6,
        }

    def run(self, argv: Sequence[str]) -> str:
        """What a program says that runs where everything but the proxy runs."""
        argv = ["taskset", "-c", str(self.core), *argv]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=self.seconds + _SLACK_SECONDS)
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def small(asking: Asking, proxy: Proxy) -> Figures:
    """Twelve bytes."""
    return asking.wrk(proxy, "/")


def kib(asking: Asking, proxy: Proxy) -> Figures:
    """1 KiB."""
    return asking.wrk(proxy, "/files/1k")


def hundred_kib(asking: Asking, proxy: Proxy) -> Figures:
    """100 KiB."""
    return asking.wrk(proxy, "/files/100k")


def secure(asking: Asking, proxy: Proxy) -> Figures:
    """Twelve bytes by https, over connections that are kept."""
    return asking.wrk(proxy, "/", secure=True)


def http2(asking: Asking, proxy: Proxy) -> Figures:
    """Twelve bytes by HTTP/2 over TLS, ten requests at once on each of 16 connections that are kept."""
    return asking.h2load(proxy, "/")


def handshakes(asking: Asking, proxy: Proxy) -> Figures:
    """Full handshakes and nothing after them (TLS 1.3, ECDSA with P-256)."""
    argv = ["taskset", "-c", str(asking.core), "openssl", "s_time", "-connect", f"{HOST}:{proxy.tls}"]
    argv += ["-new", "-tls1_3", "-time", str(asking.seconds)]
    with busy(proxy) as used:
        greeting = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(HANDSHAKERS)]
        told = [one.communicate(timeout=asking.seconds + _SLACK_SECONDS)[0] for one in greeting]
    found = [re.search(r"(\d+) connections in \d+ real seconds", text) for text in told]
    count = sum(int(each[1]) for each in found if each is not None)
    if None in found or not count:
        raise SystemExit(f"{proxy.name} shook no hands:\n{told[0]}")
    return {"handshakes/s": count / asking.seconds, "us/request": used() / count * 1e6}


def resumed(asking: Asking, proxy: Proxy) -> Figures:
    """Twelve bytes by https, a handshake for each: all but the first of each client resume its session (TLS 1.3)."""
    return asking.wrk(proxy, "/", "-H", "Connection: close", secure=True)


def names(asking: Asking, proxy: Proxy) -> Figures:
    """Twelve bytes, each request to another of all the names."""
    script = asking.folder / "names.lua"
    listed = ",".join(f'"{name}"' for name in asking.names)
    script.write_text(
        f"local names, at = {{{listed}}}, 0\n"
        "request = function()\n  at = at % #names + 1\n"
        '  return wrk.format("GET", "/", {["Host"] = names[at]})\nend\n'
    )
    return asking.wrk(proxy, "/", "-s", str(script))


def paced(asking: Asking, proxy: Proxy) -> Figures:
    """1,000 requests a second, in time: milliseconds beyond what the server behind takes when it is asked directly."""
    return dict(zip(("p50 ms", "p99 ms"), paced_directly(asking, proxy.port), strict=True))


def download(asking: Asking, proxy: Proxy) -> Figures:
    """1 GiB to one client."""
    return _transfer(asking, proxy, "download", ["-o", "/dev/null", f"http://{HOST}:{proxy.port}/files/1g"])


def upload(asking: Asking, proxy: Proxy) -> Figures:
    """1 GiB from one client."""
    body = asking.folder / "files/1g"
    options = ["-X", "POST", "-H", "Expect:", "-H", "Host: sink.localhost", "-T", str(body), "-o", "/dev/null"]
    return _transfer(asking, proxy, "upload", [*options, f"http://{HOST}:{proxy.port}/sink"])


def idle(asking: Asking, proxy: Proxy) -> Figures:
    """10,000 connections that have asked once, and what others are served meanwhile."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    before = pss(proxy.pid)
    asked = [socket.create_connection((HOST, proxy.port)) for _ in range(IDLE)]
    try:
        for one in asked:
            one.sendall(REQUEST)
            if not one.recv(4096).startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{proxy.name} did not serve {IDLE} connections")
        each = (pss(proxy.pid) - before) * 1024 / IDLE
        return {"bytes each": each, **asking.wrk(proxy, "/")}
    finally:
        for one in asked:
            one.close()


def websocket(asking: Asking, proxy: Proxy) -> Figures:
    """Messages of 128 bytes over WebSockets to a server that sends them back; client and server are the bottleneck."""
    with busy(proxy) as used:
        count = asyncio.run(_echoes(proxy.port, asking.seconds))
    return {"messages/s": count / asking.seconds, "us/request": used() / count * 1e6}


LOADS: dict[str, Callable[[Asking, Proxy], Figures]] = {
    "small": small, "1k": kib, "100k": hundred_kib, "names": names, "https": secure, "http2": http2,
    "handshakes": handshakes, "resumed": resumed, "paced": paced, "download": download, "upload": upload,
    "idle": idle, "websocket": websocket,
}  # fmt: skip


@contextmanager
def busy(proxy: Proxy) -> Iterator[Callable[[], float]]:
    """Yields what tells the processor time in seconds that a proxy has used since."""
    before = _cpu_seconds(proxy.pid)
    yield lambda: _cpu_seconds(proxy.pid) - before


def pss(pid: int) -> int:
    """Memory of a process in KiB, shared pages divided among their users."""
    return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss")


def percentile(text: str, rank: int) -> float:
    """A percentile of wrk's report in milliseconds."""
    found = re.search(rf"{rank}%\s+([\d.]+)(us|ms|s)", text)
    assert found is not None, text
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kib(path: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", path.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def paced_directly(asking: Asking, port: int) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds, of requests at that pace, one after the other in turn over
    all connections. Each is timed from when it was due, so that one that waits for another counts as slow."""
    os.sched_setaffinity(0, {asking.core})
    connections = [socket.create_connection((HOST, port)) for _ in range(PACED_CLIENTS)]
    taken = []
    due = time.perf_counter() + 0.01
    for number in range(PACE * asking.seconds):
        while (early := due - time.perf_counter()) > 0:
            time.sleep(early)
        one = connections[number % PACED_CLIENTS]
        one.sendall(REQUEST)
        if not one.recv(4096).startswith(b"HTTP/1.1 200"):
            raise SystemExit("a paced request was not served")
        taken.append((time.perf_counter() - due) * 1000)
        due += 1 / PACE
    for one in connections:
        one.close()
    return median(taken), quantiles(taken, n=100)[98]


def _transfer(asking: Asking, proxy: Proxy, way: str, options: Sequence[str]) -> Figures:
    # proc(5): the highest memory so far is forgotten.
    Path(f"/proc/{proxy.pid}/clear_refs").write_text("5")
    status = Path(f"/proc/{proxy.pid}/status")
    before = _kib(status, "VmRSS")
    with busy(proxy) as used:
        speed = asking.run(["curl", "--silent", "--fail", "--write-out", f"%{{speed_{way}}}", *options])
    return {
        "MiB/s": float(speed) / (1 << 20),
        "s of processor": used(),
        "MiB more memory": (_kib(status, "VmHWM") - before) / 1024,
    }


async def _echoes(port: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    return sum(await asyncio.gather(*(_echo(port, until) for _ in range(ECHO_CLIENTS))))


async def _echo(port: int, until: float) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    with closing(writer):
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
        writer.write(
            f"GET /echo HTTP/1.1\r\nHost: echo.localhost\r\n{upgrade}\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101"):
            raise SystemExit("no WebSocket was opened")
        # RFC 6455, 5.2: the last frame of a binary message, from a client masked, here with zeros.
        body = os.urandom(ECHO_BYTES)
        frame = b"\x82\xfe" + len(body).to_bytes(2) + bytes(4) + body
        count = 0
        while time.monotonic() < until:
            writer.write(frame)
            await reader.readexactly(len(body) + 4)
            count += 1
        return count
