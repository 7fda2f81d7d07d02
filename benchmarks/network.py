"""What a network of a build or dyno costs: `python3 benchmarks/network.py [ROUNDS]`, as root.

Networks are made and taken away one after the other, then 300 at once. All in a network namespace of the benchmark's
own, with rules of its own: nothing of the machine's network or of an installation is touched.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Network
from pathlib import Path

from kit import HEADER, row

PROJECT = Path(__file__).resolve().parent.parent
MANY = 300
AGAIN = "HOSTD_BENCHMARK_INSIDE"


async def measure(rounds: int) -> None:
    """Print one line for each figure."""
    from units.network import Networks

    with tempfile.TemporaryDirectory() as folder:
        networks = Networks(name="bench", prefix=IPv4Network("10.83.0.0/16"), run_dir=Path(folder))
        await networks.start()
        made, released, checks = [], [], []
        for number in range(rounds):
            began = time.monotonic()
            await networks.lease(f"one-{number}")
            leased = time.monotonic()
            await networks.release(f"one-{number}")
            done = time.monotonic()
            await networks.ensure()
            checks.append(time.monotonic() - done)
            made.append(leased - began)
            released.append(done - leased)
        memory = _memory()
        began = time.monotonic()
        held = await asyncio.gather(*(networks.lease(f"many-{number}") for number in range(MANY)))
        together = time.monotonic() - began
        used = _memory() - memory
        assert len({network.address for network in held}) == MANY
        began = time.monotonic()
        await asyncio.gather(*(networks.release(network.name) for network in held))
        away = time.monotonic() - began
        await networks.close()
    print(HEADER)
    print(row("one network, with a look at the rules", made))
    print(row("a look at the rules", checks))
    print(row("taking one away", released))
    print(row(f"{MANY} at once, each", [together / MANY]))
    print(row(f"taking {MANY} away at once, each", [away / MANY]))
    print(f"kernel memory of each of {MANY}: {used / MANY / 1024:.0f} KiB")


def _memory() -> int:
    """Bytes of the kernel's own data, in which a namespace is."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Slab", "Percpu", "VmallocUsed"))


def main() -> None:
    """Begin again in a network namespace, then measure."""
    if AGAIN not in os.environ:
        inside = ["unshare", "--net", sys.executable, *sys.argv]
        environment = {**os.environ, AGAIN: "1", "PYTHONPATH": str(PROJECT)}
        raise SystemExit(subprocess.run(inside, env=environment, check=False).returncode)
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 30))


if __name__ == "__main__":
    main()
