"""Hostile clients and hostile dynos, against a whole worker: another app's visitors are all served, and the worker gets
rid of everything; how long they wait is told by `benchmarks/hostile.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from hostile.assaults import STORMING, WAITING
from hostile.rogues import ACTING, ROGUES
from hostile.rogues import WAITING as ROGUES_THAT_WAIT
from hostile.siege import Siege, host_of, siege
from hostile.target import HUNG_UP, Met
from smuggling.replies import statuses

CROWD = 40
CLIENTS, FEW = 8, 4
MEETS = {
    "slow heads": "408", "slow names": "408", "endless heads": "431", "endless lines": "414", "endless trailers": "400",
    "endless extensions": "400", "crumbs": "200", "pipelines to nowhere": "404", "pipelines": "200", "ranges": "200",
    "small frames": "101",
}  # fmt: skip
"""What every client of an assault is told at last; those of others are hung up on."""
MIB = 2**20

pytestmark = [pytest.mark.thorough, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def besieged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Siege]:
    """A worker, which outlives all of this."""
    folder: Path = tmp_path_factory.mktemp("siege")
    async with siege(folder) as started:
        async with started.neighbour():
            pass
        yield started


@pytest.mark.parametrize("name", STORMING)
async def test_a_storm_of_clients(besieged: Siege, name: str) -> None:
    files = await besieged.worker.files()
    async with besieged.neighbour() as neighbour:
        met = await STORMING[name](besieged.target(CROWD))
        await neighbour.more()
    assert set(met) == {MEETS.get(name, HUNG_UP)}
    await besieged.at_rest(files)


async def test_slow_clients_are_seen_off(besieged: Siege) -> None:
    """All at once: they wait for the router's limits."""
    files = await besieged.worker.files()
    async with besieged.neighbour():
        met: list[Met] = await asyncio.gather(*(assault(besieged.target(CROWD)) for assault in WAITING.values()))
    assert {name: set(each) for name, each in zip(WAITING, met, strict=True)} == {
        name: {MEETS.get(name, HUNG_UP)} for name in WAITING
    }
    assert {sum(each.values()) for each in met} == {CROWD, 8}
    await besieged.at_rest(files)


@pytest.mark.parametrize("name", ACTING)
async def test_a_hostile_dyno(besieged: Siege, name: str) -> None:
    await expose(besieged, name)


async def test_dynos_that_keep_their_clients_waiting(besieged: Siege) -> None:
    """All at once: they wait for the router's limits."""
    await expose(besieged, *ROGUES_THAT_WAIT)


async def expose(besieged: Siege, *names: str) -> None:
    """Ask these dynos, several clients each, and see that each client is told, and the worker as it was before."""
    files = await besieged.worker.files()
    codes = {name: ROGUES[name].code for name in names}
    before = {code: await besieged.faults(code) for code in codes.values()}
    async with besieged.neighbour() as neighbour:
        seen = await asyncio.gather(*(ask(besieged, name) for name in names for _ in range(CLIENTS)))
        await neighbour.more()
    surprised = {(name, each) for name, each in seen if each not in ROGUES[name].sees}
    assert not surprised, (surprised, [line for name, _ in surprised for line in besieged.logged(host_of(name))])
    await besieged.at_rest(files)
    for code in set(codes.values()) - {""}:
        assert await besieged.faults(code) == before[code] + CLIENTS * list(codes.values()).count(code)


async def ask(besieged: Siege, name: str) -> tuple[str, tuple[int, bool]]:
    """What a client of this rogue sees in the end: a status, 0 for none, and whether the answer is all there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", besieged.worker.port, limit=2**20)
    said = b""
    with suppress(ConnectionError):
        writer.write(ROGUES[name].asked(host_of(name)))
        while piece := await reader.read(2**20):
            said += piece
    writer.transport.abort()
    # It takes a while to read a million chunks, in which visitors should go on asking.
    heard, whole = await asyncio.to_thread(statuses, said)
    final = [status for status in heard if status >= 200]
    return name, (final[0], whole) if final else (0, False)


async def test_nothing_is_kept_of_all_that(besieged: Siege) -> None:
    """What was held for the worst of it may be kept for the next time, but nothing grows with what came."""
    target = besieged.target(FEW)
    async with besieged.neighbour():
        await asyncio.gather(*(assault(target) for assault in STORMING.values()))
        before = besieged.worker.memory()
        await asyncio.gather(*(assault(target) for assault in STORMING.values()))
    assert besieged.worker.memory() < before + 8 * MIB
