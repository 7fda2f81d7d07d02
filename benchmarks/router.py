"""A router worker against nginx and HAProxy: one worker each, access log on, the same server behind, rounds in turn.

    python benchmarks/router.py [LOAD...] [--seconds 3] [--rounds 5] [--clients 64]

LOAD is one or more of: small 1k 100k names https http2 handshakes resumed paced download upload idle websocket; without
any, all. The table has 1,000 apps and 10,000 names. Prints medians of all rounds, and the ratio of ours to nginx in
the same round. The proxy under load has the first core for itself; whoever asks and the server behind share the last.
Needs nginx, HAProxy, wrk and h2load: apt-get install nginx-light haproxy wrk nghttp2-client.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from loads import GIB, LOADS, Asking, Figures, paced_directly, pss
from proxies import Proxy, Setting, backend, free_port, haproxy, hostd_router, nginx, running

TOOLS = ("nginx", "haproxy", "wrk", "h2load", "curl", "openssl", "taskset")
PACKAGES = "nginx-light haproxy wrk nghttp2-client curl openssl util-linux"
OURS, THEIRS = "hostd-router", "nginx"
NAMES = 10_000
ECHO = """
import sys
from aiohttp import web

async def echo(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data)
    return socket

app = web.Application()
app.router.add_get("/echo", echo)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
SINK = """
import asyncio, sys

class Sink(asyncio.BufferedProtocol):
    room, head, left = memoryview(bytearray(1 << 18)), b"", 0

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, hint):
        return self.room

    def buffer_updated(self, count):
        if not self.left:
            self.head += self.room[:count]
            head, end, body = self.head.partition(b"\\r\\n\\r\\n")
            if not end:
                return
            length = head.lower().partition(b"content-length:")[2].split()[0]
            self.head, self.left, count = b"", int(length), len(body)
        self.left -= count
        if not self.left:
            self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")

async def main():
    await (await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", int(sys.argv[1]))).serve_forever()

asyncio.run(main())
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="the router against nginx and HAProxy")
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"{' '.join(LOADS)}; by default all")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=64, help="keep-alive connections")
    options = parser.parse_args()
    if unknown := set(options.loads) - set(LOADS):
        parser.error(f"there is no load {', '.join(sorted(unknown))}; there are: {' '.join(LOADS)}")
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        print(f"{', '.join(missing)} not found: apt-get install {PACKAGES}", file=sys.stderr)
        return 2
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-benchmark-")))
        names = [f"app-{number}.localhost" for number in range(NAMES)]
        asking = Asking(cores[-1], options.clients, options.seconds, folder, names)
        prepare(folder)
        echo, sink = free_port(), free_port()
        for script, port in ((ECHO, echo), (SINK, sink)):
            argv = ["taskset", "-c", str(cores[-1]), sys.executable, "-c", script, str(port)]
            stack.enter_context(running(argv, port))
        behind = stack.enter_context(backend(folder, cores[-1]))
        setting = Setting(folder, behind, echo, cores[0], names, sink)
        proxies = [stack.enter_context(make(setting)) for make in (nginx, haproxy, hostd_router)]
        for load in options.loads or LOADS:
            report(load, rounds(load, asking, proxies, behind, options.rounds))
        memory = pss(proxies[-1].pid) / 1024
        print(f"memory of a worker of the router, with {NAMES} names, after all: {memory:.1f} MiB (PSS)")
    return 0


def prepare(folder: Path) -> None:
    """Files to be asked for, and a certificate."""
    (folder / "files").mkdir()
    (folder / "tls").mkdir()
    folder.chmod(0o755)
    for name, size in (("1k", 1 << 10), ("100k", 100 << 10), ("1g", GIB)):
        with (folder / "files" / name).open("wb") as file:
            file.truncate(size)
    key, certificate = folder / "tls/key.pem", folder / "tls/cert.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    argv = ["openssl", "req", "-x509", *kind, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True)
    (folder / "tls/both.pem").write_text(certificate.read_text() + key.read_text())


def rounds(load: str, asking: Asking, proxies: list[Proxy], behind: int, count: int) -> dict[str, list[Figures]]:
    """The figures of each proxy under a load, in rounds; a first one warms up and is not counted."""
    taken: dict[str, list[Figures]] = {proxy.name: [] for proxy in proxies}
    for number in range(count + 1):
        direct = paced_directly(asking, behind) if load == "paced" else (0.0, 0.0)
        for proxy in proxies:
            figures = LOADS[load](asking, proxy)
            if load == "paced":
                figures = {key: value - less for (key, value), less in zip(figures.items(), direct, strict=True)}
            if number:
                taken[proxy.name].append(figures)
                said = ", ".join(f"{value:,.3g} {key}" for key, value in figures.items())
                print(f"{load} {number} {proxy.name}: {said}", file=sys.stderr)
    return taken


def report(load: str, taken: dict[str, list[Figures]]) -> None:
    """Print the medians, and that of the ratios of ours to nginx."""
    kinds = list(taken[OURS][0])
    print(f"{load:14}" + "".join(f"{kind:>18}" for kind in kinds))
    for name, found in taken.items():
        print(f"{name:14}" + "".join(f"{median(each[kind] for each in found):18,.3f}" for kind in kinds))
    ratios = [
        [ours[kind] / theirs[kind] if theirs[kind] else float("nan") for kind in kinds]
        for ours, theirs in zip(taken[OURS], taken[THEIRS], strict=True)
    ]
    print(f"{'ours / nginx':14}" + "".join(f"{median(column):18.2f}" for column in zip(*ratios, strict=True)) + "\n")


if __name__ == "__main__":
    sys.exit(main())
