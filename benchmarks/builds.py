"""What a build costs beyond its tool, and what builds cost others: `python3 benchmarks/builds.py [ROUNDS]`.

First the same `pip install` again and again, as a plain process and as the only thing that a buildpack does, in turns.
A build is timed whole: sandbox, source, pip, measuring, writing to the disk, freezing, returning the cache. The plain
process is timed with the unpacking of the same source, and nobody waits for the disk after it. Otherwise both are
alike: wheels that were downloaded before, so that no network is timed; a build's share of the processor; new folders of
the pool for what is installed and for temporary files, as pip writes everything there first, and a box has its /tmp in
memory; nothing left to be written or deleted from before. Processor time is that of all processes of the builds' slice
and of the benchmark itself: other work on the machine changes it less. It leaves out waiting for the disk.

Then the router's latency for an app, before and during several builds at once, at a low fixed rate, so that what is
measured is waiting and not the client. Needs pip (apt-get install python3-pip).
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kit import HEADER, App, app, inside, row

REQUIREMENTS = "django flask sqlalchemy requests docutils babel"
BUILDS_AT_ONCE = 3
REQUESTS, PAUSE = 800, 0.01
PYTHON = "/opt/hostd/venv/bin/python"

_SCRIPT = """
import asyncio, io, json, os, shutil, subprocess, tarfile, time, uuid
from pathlib import Path
from slugs.compiler import Compiler, CompileRequest
from slugs.pool import Pool
from slugs.stacks import drop_identity, ensure_host_stack
from units.cgroups import Cgroups
from units.systemd import Systemd
from units.users import ensure_user, remove_user
from hostd.settings import load

UID, ROUNDS, AT_ONCE, REQUIREMENTS = 299997, {rounds}, {at_once}, {requirements!r}.split()
PIP = "/usr/bin/python3 -m pip --disable-pip-version-check --quiet"
INSTALL = PIP + " install --no-index --find-links=wheels --target=installed " + " ".join(REQUIREMENTS)
WHEELS = Path("/var/tmp/hostd-benchmark")

def buildpack():
    for name, script in {{"detect": "echo Benchmark", "compile": f'cd "$1" && {{INSTALL}} 2>/dev/null'}}.items():
        path = WHEELS / "packs/benchmark/bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\\n{{script}}\\n")
    return {{"buildpacks": WHEELS / "packs", "order": ["benchmark"]}}

def source():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(WHEELS / "wheels", "wheels")
    return buffer.getvalue()

async def main():
    systemd = Systemd()
    systemd.attach(asyncio.get_running_loop())
    pool = Pool(load().pool_dir)
    await ensure_user(UID)
    WHEELS.mkdir(exist_ok=True)
    subprocess.run([*PIP.split(), "download", "--dest=wheels", *REQUIREMENTS], cwd=WHEELS, check=True)
    stack = ensure_host_stack(pool)
    compiler = Compiler(systemd=systemd, pool=pool, **buildpack())
    packed, apps, slugs = source(), [str(uuid.uuid4()) for _ in range(AT_ONCE)], []

    def processor():
        return Cgroups().usage("hostd.slice/hostd-builds.slice").cpu_seconds + sum(os.times()[:4])

    async def timed(work):
        used, began = processor(), time.monotonic()
        await work
        return time.monotonic() - began, processor() - used

    def settle():
        # What the one before left to be deleted and to be written.
        pool.empty_trash()
        subprocess.run(["btrfs", "filesystem", "sync", pool.root], check=True)

    async def build(app):
        async def pieces():
            yield packed
        async def output(piece):
            pass
        request = CompileRequest(str(uuid.uuid4()), app, "benchmark", UID, "0" * 40, stack, {{}})
        slugs.append((await compiler.compile(request, source=pieces(), output=output)).slug_id)

    def bare(tree, temporary):
        subprocess.run(["tar", "-x"], cwd=tree, input=packed, check=True)
        unit = ["systemd-run", "--quiet", "--pipe", "--wait", "--slice=hostd-builds.slice", "-p", "CPUWeight=20"]
        where = ["-p", f"WorkingDirectory={{tree}}", f"--setenv=TMPDIR={{temporary}}"]
        subprocess.run([*unit, *where, *INSTALL.split()], check=True, stderr=subprocess.DEVNULL)

    subprocess.run(["systemctl", "start", "hostd-builds.slice"], check=True)
    outside, within = [], []
    try:
        for _ in range(ROUNDS):
            if AT_ONCE == 1:
                tree, scratch = pool.create_build("benchmark", 0), pool.scratch("benchmark")
                settle()
                outside.append(await timed(asyncio.to_thread(bare, tree, scratch / "tmp")))
                pool.delete_build("benchmark")
            settle()
            within += await asyncio.gather(*(timed(build(app)) for app in apps))
    finally:
        for slug in slugs:
            pool.delete_slug(slug)
        for app in apps:
            pool.drop_cache(app)
        pool.empty_trash()
        shutil.rmtree(WHEELS)
        drop_identity(stack, UID)
        await remove_user(UID)
    print(json.dumps({{"outside": outside, "inside": within}}))

asyncio.run(main())
"""


def builds(rounds: int, at_once: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of the bare tool and of whole builds, and of the processor meanwhile."""
    script = _SCRIPT.format(rounds=rounds, at_once=at_once, requirements=REQUIREMENTS)
    found: dict[str, list[tuple[float, float]]] = json.loads(inside([PYTHON, "-"], script))
    return found


def latencies(made: App, count: int) -> list[float]:
    """Seconds that so many requests took, one after the other with a pause between them."""
    host = made.web_url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection("127.0.0.1", int(host.partition(":")[2] or 80), timeout=60)
    took = []
    for _ in range(count):
        began = time.monotonic()
        connection.request("GET", "/", headers={"Host": host})
        connection.getresponse().read()
        took.append(time.monotonic() - began)
        time.sleep(PAUSE)
    connection.close()
    return took


def overhead(rounds: int) -> None:
    """Print what a build takes beyond its tool."""
    found = builds(rounds, 1)
    print(HEADER)
    for which, what in enumerate(("", ", processor time")):
        outside, within = ([taken[which] for taken in found[where]] for where in ("outside", "inside"))
        print(row(f"pip install, as it is{what}", outside))
        print(row(f"the same as a build{what}", within))
        ratios = [build / tool for build, tool in zip(within, outside, strict=True)]
        print(f"ratio{what}: {statistics.median(ratios):.2f} (median of {rounds}; goal: under 1.15)")


def neighbours(rounds: int) -> None:
    """Print what a live app notices of builds."""
    with app("hello-python") as made, ThreadPoolExecutor() as pool:
        made.push()
        made.wait_for("v2")
        before = latencies(made, REQUESTS)
        building: Any = pool.submit(builds, rounds, BUILDS_AT_ONCE)
        during: list[float] = []
        while not building.done():
            during += latencies(made, 50)
        building.result()
    print(row("a request, without builds", before))
    print(row(f"a request, during {BUILDS_AT_ONCE} builds at once", during))
    print(f"99th percentile: {p99(before) * 1e3:.1f} ms without, {p99(during) * 1e3:.1f} ms during builds")


def p99(seconds: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(seconds, n=100)[98]


if __name__ == "__main__":
    chosen = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    overhead(chosen)
    neighbours(2)
