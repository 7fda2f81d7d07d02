"""What a route table costs a worker: thousands of routes put in force while requests go on, and looked up in.

    python benchmarks/table.py [--apps 1000] [--domains 10000]

Processor time of the worker's thread, in milliseconds: what others do on the machine counts little. A request waits at
most for the longest standstill, and then goes on with the old routes or the new ones.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from statistics import median
from time import thread_time

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from router import memory
from router.control import MANY
from router.journal import Journal
from router.plane import Plane
from router.reader import Reader
from router.settings import Settings
from router.table import App, Dyno, State, Table

SWAPS = 30
LOOK_UPS = 100_000
COLUMNS = ("read", "put in force", "longest standstill")


def table(apps: int, domains: int, sequence: int, changed: range) -> bytes:
    """A table in which the dynos of some apps are where they never were."""
    made = tuple(app(number, domains // apps, sequence if number in changed else 0) for number in range(apps))
    return Table(sequence, "apps.example.com", made).to_json().encode()


def app(number: int, domains: int, moved: int) -> App:
    own = tuple(f"{'*.' if index == 9 else ''}name{index}.customer-{number}.example.org" for index in range(domains))
    place = f"10.{83 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    dynos = (Dyno("web.1", place, 20001 + moved), Dyno("web.2", place, 20000))
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
        with memory.undisturbed():
            read = await reader.read(document)
            ready = thread_time()
            await plane.change(read)
            if reader.fresh > MANY:
                memory.keep()
        done = thread_time()
        del read
        await asyncio.sleep(0.001)
        return ready - begun, done - ready, max(stalls)

    memory.settle()
    watching = asyncio.create_task(others())
    print(f"{apps} apps, {domains} domains: ms of processor time, medians of {SWAPS} but for the first")
    print(f"  {'':23}" + "".join(f"{column:>20}" for column in COLUMNS))
    kinds = {
        "the first table": [range(0)],
        "one app has changed": [range(turn % apps, turn % apps + 1) for turn in range(1, SWAPS + 1)],
        "all apps have changed": [range(apps)] * SWAPS,
    }
    sequence = 0
    for kind, changes in kinds.items():
        taken = []
        for changed in changes:
            sequence += 1
            taken.append(await put(table(apps, domains, sequence, changed)))
        print(f"  {kind:23}" + "".join(f"{median(column) * 1000:20.2f}" for column in zip(*taken, strict=True)))
        print(f"  {'  at worst':23}{max(worst for _, _, worst in taken) * 1000:60.2f}", file=sys.stderr)
    watching.cancel()
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
