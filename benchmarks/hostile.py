"""How long an app's visitors wait while others do their worst: hostile clients, and another app's hostile dynos.

    python benchmarks/hostile.py [NAME...] [--seconds 4] [--crowd 200] [--pace 500]

NAME is one or more of the assaults and rogues in tests/unit/hostile, which the tests use too, or of the four tests of
slowhttptest, if that is installed, with five times as many clients; without any, all, which takes 40 minutes. Prints
for each the median and the 99th percentile of what the visitors wait for an answer in milliseconds: before, during,
and their ratio; and the same of nginx 1.22, for what HTTP/1.1 and TLS have to do with. One worker each, on a core of
its own; visitors, their server and, with the lowest priority, whoever is hostile share the other. Not one request of
the visitors may fail.
Needs nginx, h2load, openssl: apt-get install nginx-light nghttp2-client openssl util-linux slowhttptest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/unit"))

from hostile.assaults import STORMING, WAITING
from hostile.rogues import ROGUES
from hostile.target import Target
from proxies import HOST, Proxy, Setting, backend, free_port, hostd_router, nginx
from router_rig import FakeDyno
from worker_rig import obliging

from router.table import App, Dyno, State, Table

ASSAULTS = WAITING | STORMING
OURS_ALONE = {name for name in ASSAULTS if "(h2)" in name} | {"slow readers", "answers left", "small frames"}
"""What nginx, as it is set here, does not do, or would not be asked for."""
TOOL = "slowhttptest"
TESTS = {
    f"{TOOL} slow headers": ("-H", "-i1", "-x24"),
    f"{TOOL} slow body": ("-B", "-i1", "-s100000", "-x10"),
    f"{TOOL} range": ("-R", "-a1", "-b3000"),
    f"{TOOL} slow read": ("-X", "-w10", "-y20", "-n1", "-z32", "-k3"),
}
"""The tests of slowhttptest, as its manual page has them; it asks the visitors' own app."""
VISITORS, VICTIM = 50, "victim.localhost"
FILES = 16_000


@dataclass(frozen=True)
class Waited:
    """What visitors waited, in milliseconds."""

    median: float
    most: float
    failed: int


def main() -> int:
    parser = argparse.ArgumentParser(description="an app's visitors while others do their worst")
    parser.add_argument("names", nargs="*", metavar="NAME", help="assaults and rogues; by default all")
    parser.add_argument("--seconds", type=int, default=4, help="length of each measurement")
    parser.add_argument("--crowd", type=int, default=200, help="hostile clients at once")
    parser.add_argument("--pace", type=int, default=500, help="requests of the visitors per second")
    parser.add_argument("--besiege", nargs=2, type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--dynos", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    known = (*ASSAULTS, *ROGUES, *TESTS)
    if unknown := set(options.names) - set(known):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    if options.besiege:
        asyncio.run(besiege(options))
        return 0
    if missing := [tool for tool in ("nginx", "h2load", "openssl", "taskset") if not shutil.which(tool)]:
        print(f"{', '.join(missing)} not found: see --help", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-benchmark-")))
        prepare(folder)
        cores = sorted(os.sched_getaffinity(0))
        behind = stack.enter_context(backend(folder, cores[-1]))
        setting = Setting(folder, behind, behind, cores[0], [VICTIM])
        ours = stack.enter_context(hostd_router(setting))
        theirs = stack.enter_context(nginx(setting))
        field = Field(folder, cores[-1], behind, options)
        for proxy in (ours, theirs):
            field.visit(proxy)  # which has just been started
        heading = f"{'p50 before → during':>21} {'p99':>15} {'ratio':>6}"
        print(f"{'hostd-router, then nginx':<32}{heading}  {heading}")
        for name in options.names or (known if shutil.which(TOOL) else (*ASSAULTS, *ROGUES)):
            print(f"{name:<32}{field.cells(ours, name)}", end="", flush=True)
            print("" if name in OURS_ALONE or name in ROGUES else f"  {field.cells(theirs, name)}", flush=True)
    return 0


def prepare(folder: Path) -> None:
    """A certificate, and no files."""
    for name in ("files", "tls"):
        (folder / name).mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", str(folder / "tls/key.pem"), "-out", str(folder / "tls/cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip


class Field:
    """Where it takes place. `behind` is the port of the visitors' server."""

    def __init__(self, folder: Path, core: int, behind: int, options: argparse.Namespace) -> None:
        self._folder = folder
        self._core = core
        self._behind = behind
        self._options = options
        self._sequence = 1

    def cells(self, proxy: Proxy, name: str) -> str:
        """What its visitors wait without this and with it."""
        before = self.visit(proxy)
        dynos = {each: free_port() for each in (VICTIM, *{name} & ROGUES.keys())}
        if proxy.name == "hostd-router":
            self._put(dynos)
        argv = ["nice", "-n19", "taskset", "-c", str(self._core), *self._hostile(proxy, name, dynos)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as hostile:
            assert hostile.stdout is not None
            # It is about to begin.
            hostile.stdout.readline()
            time.sleep(1)
            during = self.visit(proxy)
            met, _ = hostile.communicate()
        if before.failed or during.failed or hostile.returncode:
            raise SystemExit(f"{proxy.name}, {name}: {before.failed + during.failed} requests failed; {met}")
        medians = f"{before.median:9.2f} → {during.median:9.2f}"
        return f"{medians} {before.most:6.2f} → {during.most:6.2f} {during.most / before.most:6.2f}"

    def _hostile(self, proxy: Proxy, name: str, dynos: dict[str, int]) -> list[str]:
        seconds, crowd = self._options.seconds + 2, self._options.crowd
        if name in TESTS:
            crowd *= 5
            url = f"http://{HOST}:{proxy.port}/"
            return [TOOL, *TESTS[name], f"-c{crowd}", f"-r{crowd}", f"-l{seconds}", f"-u{url}"]
        argv = [sys.executable, __file__, name, f"--seconds={seconds}", f"--crowd={crowd}"]
        return [*argv, f"--dynos={json.dumps(dynos)}", "--besiege", str(proxy.port), str(proxy.tls)]

    def visit(self, proxy: Proxy) -> Waited:
        """What visitors wait who ask for a small page at an even pace."""
        with tempfile.NamedTemporaryFile(dir=self._folder) as log:
            pace, url = self._options.pace // VISITORS, f"http://{HOST}:{proxy.port}/"
            argv = ["h2load", "--h1", f"--rps={pace}", f"-c{VISITORS}", f"-D{self._options.seconds}", url]
            argv = ["taskset", "-c", str(self._core), *argv, f"--log-file={log.name}"]
            try:
                subprocess.run(argv, check=True, capture_output=True, timeout=self._options.seconds + 10)
            except subprocess.TimeoutExpired:  # it sometimes goes on for ever with a few of its connections
                return self.visit(proxy)
            lines = [line.split("\t") for line in Path(log.name).read_text().splitlines()]
        taken = [int(line[2]) / 1000 for line in lines]
        hundredths = quantiles(taken, n=100)
        return Waited(hundredths[49], hundredths[98], sum(line[1] != "200" for line in lines))

    def _put(self, dynos: dict[str, int]) -> None:
        """Give the router a table with the visitors' app and these."""
        self._sequence += 1
        visited = App("visited", "visited", (HOST,), State.UP, (Dyno("web.1", HOST, self._behind),))
        others = (
            App(f"id-{number}", f"app-{number}", (host_of(name),), State.UP, (Dyno("web.1", HOST, port),))
            for number, (name, port) in enumerate(dynos.items())
        )
        body = Table(self._sequence, "localhost", (visited, *others)).to_json().encode()
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._folder / "1.sock"))
            head = f"PUT /routes HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            control.sendall(head.encode() + body)
            assert control.recv(65536).startswith(b"HTTP/1.1 200")


def host_of(name: str) -> str:
    """The host of an app with this dyno."""
    return name if name == VICTIM else f"{name.replace(' ', '-').replace(',', '')}.localhost"


async def besiege(options: argparse.Namespace) -> None:
    """Be hostile for a while."""
    (name,) = options.names
    for each, port in options.dynos.items():
        fake = FakeDyno(ROGUES[each].does if each in ROGUES else obliging, "web.1")
        fake.port = port
        await fake.start()
    target = Target(*options.besiege, VICTIM, options.crowd)
    act = _asking(name, target) if name in ROGUES else ASSAULTS[name]
    print("begins", flush=True)
    began, met = time.monotonic(), Counter[str]()
    with suppress(TimeoutError):
        async with asyncio.timeout(options.seconds):
            while True:
                met += await act(target)
    print(f"{met.total() / (time.monotonic() - began):.0f} a second: {dict(met)}")


def _asking(name: str, target: Target) -> Callable[[Target], Awaitable[Counter[str]]]:
    """Clients of a hostile dyno, a tenth of the crowd."""

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(HOST, target.port, limit=2**20)
        with suppress(ConnectionError):
            writer.write(ROGUES[name].asked(host_of(name)))
            while await reader.read(2**20):
                pass
        writer.transport.abort()

    async def act(_target: Target) -> Counter[str]:
        count = max(1, target.crowd // 10)
        await asyncio.gather(*(ask() for _ in range(count)))
        return Counter({"asked": count})

    return act


if __name__ == "__main__":
    sys.exit(main())
