"""What a route table costs a worker: 1,000 apps with 10,000 domains swapped in while requests go on, and looked up in.

    python benchmarks/table.py [--apps 1000] [--domains 10000]

Processor time of the worker's thread, in milliseconds: what others do on the machine counts little.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from statistics import median
from time import thread_time

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from router.journal import Journal
from router.plane import Plane
from router.reader import Reader
from router.settings import Settings
from router.table import App, Dyno, State, Table

SWAPS = 30
LOOK_UPS = 100_000


def table(apps: int, domains: int, sequence: int, changed: int = -1) -> Table:
    """A table in which the dyno of one app has moved."""
    made = tuple(app(number, domains // apps, number == changed) for number in range(apps))
    return Table(sequence, "apps.example.com", made)


def app(number: int, domains: int, moved: bool) -> App:
    own = tuple(f"{'*.' if index == 9 else ''}name{index}.customer-{number}.example.org" for index in range(domains))
    place = f"10.83.{number // 250}.{number % 250 + 1}"
    dynos = (Dyno("web.1", place, 20001 if moved else 20000), Dyno("web.2", place, 20002))
    return App(f"id-{number}", f"app-{number}", (f"app-{number}.apps.example.com", *own), State.UP, dynos)


async def measure(apps: int, domains: int) -> None:
    loop = asyncio.get_running_loop()
    plane, reader, stalls = Plane(Settings(), Journal(None, loop), loop), Reader(), list[float]()

    async def others() -> None:
        """What a request would wait for: the time between two turns of the loop."""
        last = thread_time()
        while True:
            await asyncio.sleep(0)
            now = thread_time()
            stalls.append(now - last)
            last = now

    async def put(document: bytes) -> tuple[float, float, float]:
        await asyncio.sleep(0.001)
        stalls.clear()
        begun = thread_time()
        read = await reader.read(document)
        ready = thread_time()
        plane.swap(read)
        done = thread_time()
        await asyncio.sleep(0.001)
        return ready - begun, done - ready, max(stalls)

    watching = asyncio.create_task(others())
    first = await put(table(apps, domains, 1).to_json().encode())
    later = [
        await put(table(apps, domains, turn, changed=turn % apps).to_json().encode()) for turn in range(2, SWAPS + 2)
    ]
    watching.cancel()
    print(f"{apps} apps, {domains} domains: ms of processor time (the first table; the median of {SWAPS} later ones)")
    for index, name in enumerate(("read in pieces", "swap", "longest stall")):
        print(f"  {name:15} {first[index] * 1000:7.2f} {median(turn[index] for turn in later) * 1000:7.2f}")
    hosts = {"an exact name": "name3.customer-7.example.org", "by a wildcard": "x.name9.customer-7.example.org"}
    for name, host in hosts.items():
        begun = thread_time()
        for _ in range(LOOK_UPS):
            plane.find(host)
        print(f"  {name:17} {(thread_time() - begun) / LOOK_UPS * 1e9:5.0f} ns to look up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apps", type=int, default=1000)
    parser.add_argument("--domains", type=int, default=10_000)
    options = parser.parse_args()
    uvloop.install()
    asyncio.run(measure(options.apps, options.domains))


if __name__ == "__main__":
    main()
