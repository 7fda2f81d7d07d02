"""What the router has to do with sleep: it holds requests for a sleeping app, calls for it, and tells who is quiet."""

import asyncio
import json
from contextlib import asynccontextmanager
from time import monotonic

import aiohttp
from router_rig import QUICK, get, ok, rig

from router.control import Control
from router.table import State

ID = "id-of-hello"


@asynccontextmanager
async def control(router, path):
    """The control socket of a worker, and a client for it."""
    made = Control(router.plane, 1)
    await made.listen(path)
    try:
        async with aiohttp.ClientSession("http://router", connector=aiohttp.UnixConnector(str(path))) as session:
            yield session
    finally:
        await made.close()


async def heard(answer):
    async with asyncio.timeout(5):
        return (await answer.content.readline()).decode()


async def held(router, count=1):
    async with asyncio.timeout(5):
        while len(router.plane.held) < count:
            await asyncio.sleep(0.005)


async def test_a_request_for_a_sleeping_app_calls_for_it_and_is_answered_when_it_is_up(tmp_path):
    async with rig(ok) as router, control(router, tmp_path / "1.sock") as session:
        router.swap(state=State.IDLE)
        async with session.get("/calls") as calls, router.client() as client:
            await client.send(get())
            assert await heard(calls) == f"{ID}\n"
            router.swap(*router.dynos)
            assert (await client.answer()).status == 200


async def test_a_listener_that_comes_late_hears_who_waits(tmp_path):
    async with rig(ok) as router, control(router, tmp_path / "1.sock") as session, router.client() as client:
        router.swap(state=State.IDLE)
        await client.send(get())
        await held(router)
        for _ in range(2):
            async with session.get("/calls") as calls:
                assert await heard(calls) == f"{ID}\n"


async def test_many_requests_are_one_call(tmp_path):
    async with rig(ok) as router, control(router, tmp_path / "1.sock") as session, router.client() as first:
        router.swap(state=State.IDLE)
        await first.send(get())
        await held(router)
        async with router.client() as second:
            await second.send(get())
            await held(router, 2)
            async with session.get("/calls") as calls:
                assert await heard(calls) == f"{ID}\n"
                router.swap(*router.dynos)
                assert (await first.answer()).status == (await second.answer()).status == 200
                router.swap(state=State.IDLE)
                await second.send(get())
                assert await heard(calls) == f"{ID}\n"


async def test_nobody_calls_for_an_app_that_starts_or_is_in_maintenance(tmp_path):
    async with rig(ok) as router, control(router, tmp_path / "1.sock") as session, router.client() as client:
        router.swap(state=State.STARTING)
        await client.send(get())
        await held(router)
        async with session.get("/calls") as calls:
            router.swap(state=State.MAINTENANCE)
            assert (await client.answer()).status == 503
            router.swap(state=State.IDLE)
            await client.send(get("/wanted"))
            assert await heard(calls) == f"{ID}\n"


async def test_an_app_that_does_not_wake_in_time_is_h20():
    async with rig(ok, settings=QUICK) as router, router.client() as client:
        router.swap(state=State.IDLE)
        assert (await client.get()).status == 503
        assert "code=H20" in await router.logged("code=H20")
        assert router.plane.called() == set()


async def test_listeners_end_with_the_worker(tmp_path):
    async with rig(ok) as router:
        made = Control(router.plane, 1)
        await made.listen(tmp_path / "1.sock")
        connector = aiohttp.UnixConnector(str(tmp_path / "1.sock"))
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://router/calls") as calls:
            closing = asyncio.create_task(made.close())
            assert (await heard(calls)).strip() == ""
            assert await calls.content.read() == b""
            await closing
            assert not router.plane.listeners


async def test_an_app_is_quiet_when_no_request_and_no_websocket_goes_on(tmp_path):
    going = asyncio.Event()

    async def upgrade(call):
        if call.headers("upgrade"):
            await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            await call.reader.read()
        else:
            await going.wait()
            await call.answer()

    async with rig(upgrade) as router, control(router, tmp_path / "1.sock") as session:

        async def quiet():
            async with session.get("/quiet") as answer:
                return json.loads(await answer.text())[ID]

        assert await quiet() > 0
        async with router.client() as client:
            await client.send(get())
            async with asyncio.timeout(5):
                while not router.dynos[0].calls:
                    await asyncio.sleep(0.005)
            assert await quiet() == 0
            going.set()
            assert (await client.answer()).status == 200
            assert await quiet() > 0
            await client.send(get(extra="Connection: Upgrade\r\nUpgrade: websocket\r\n"))
            await client.head()
            assert await quiet() == 0
            router.swap(*router.dynos, state=State.MAINTENANCE)
            assert await quiet() == 0
        async with asyncio.timeout(5):
            while await quiet() == 0:
                await asyncio.sleep(0.005)
        router.plane.last_request[ID] -= 3600
        assert 3600 <= await quiet() < 3700


async def test_a_held_request_is_no_quiet_and_gone_apps_are_forgotten():
    async with rig(ok) as router, router.client() as client:
        await client.get()
        assert ID in router.plane.last_request
        router.swap(state=State.IDLE)
        await client.send(get())
        await held(router)
        assert router.plane.quiet(monotonic()) == {ID: 0.0}
        table = router.plane.table
        router.plane.swap(type(table)(table.sequence + 1))
        assert router.plane.quiet(monotonic()) == {} and ID not in router.plane.last_request
