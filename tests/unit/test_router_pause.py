"""A pause: requests wait for its end, not for ever, and not too many."""

import asyncio
from dataclasses import replace
from time import time

import pytest
from router_rig import PATIENT, Call, get, ok, rig

from router.plane import Calls
from router.table import App, State, Table, TableError

SHORT = replace(PATIENT, pause_wait=0.2)


def pause(router, until, state=State.UP, **more):
    dynos = tuple(fake.dyno for fake in router.dynos) if state is State.UP else ()
    app = App("id-of-hello", "hello", ("hello.localhost",), state, dynos, paused_until=int(until), **more)
    router.plane.swap(Table(router.plane.table.sequence + 1, "localhost", (app,)))


async def held(router, count):
    async with asyncio.timeout(5):
        while len(router.plane.held) != count:
            await asyncio.sleep(0.005)


async def test_requests_wait_and_go_on_when_the_pause_is_ended():
    async with rig(ok) as router, router.client() as one, router.client() as two:
        pause(router, time() + 60)
        await one.send(get("/one"))
        await two.send(b"POST /two HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 3\r\n\r\nabc")
        await held(router, 2)
        assert router.dynos[0].calls == []
        pause(router, 0)
        assert [(await client.answer()).status for client in (one, two)] == [200, 200]
        assert router.plane.find("hello.localhost").load.paused == 0


async def test_a_pause_ends_by_itself():
    async with rig(ok) as router, router.client() as client:
        pause(router, time() + 1)
        assert (await client.get()).status == 200
        assert (await client.get()).status == 200


async def test_a_pause_that_is_over_holds_nobody():
    async with rig(ok, settings=SHORT) as router, router.client() as client:
        pause(router, time() - 1)
        assert (await client.get()).status == 200


async def test_nobody_waits_for_ever():
    async with rig(ok, settings=SHORT) as router, router.client() as client:
        pause(router, time() + 60)
        answer = await client.get("/late")
        assert (answer.status, b"paused for a moment" in answer.body) == (503, True)
        assert 'at=warning code=H84 desc="Paused" ' in await router.logged("/late")
        assert router.plane.find("hello.localhost").load.paused == 0


async def test_not_too_many_wait():
    settings = replace(PATIENT, max_queue=2)
    async with rig(ok, settings=settings) as router, router.client() as one, router.client() as two:
        pause(router, time() + 60)
        await one.send(get())
        await two.send(get())
        await held(router, 2)
        async with router.client() as third:
            assert (await third.get("/third")).status == 503
            assert "code=H11" in await router.logged("/third")
        await one.close()
        await held(router, 1)
        async with router.client() as fourth:
            await fourth.send(get())
            await held(router, 2)
            pause(router, 0)
            assert (await fourth.answer()).status == 200


async def test_what_goes_on_is_not_disturbed():
    going = asyncio.Event()

    async def slow(call: Call) -> None:
        await going.wait()
        await call.answer()

    async with rig(slow) as router, router.client() as client:
        await client.send(get())
        async with asyncio.timeout(5):
            while not router.dynos[0].calls:
                await asyncio.sleep(0.005)
        pause(router, time() + 60)
        going.set()
        assert (await client.answer()).status == 200


async def test_maintenance_comes_first_and_starting_apps_wait_on():
    async with rig(ok) as router, router.client() as client:
        pause(router, time() + 60, State.MAINTENANCE)
        assert (await client.get("/closed")).status == 503
        assert "code=H80" in await router.logged("/closed")
        pause(router, time() + 60, State.STARTING)
        await client.send(get())
        await held(router, 1)
        pause(router, 0, State.STARTING)
        await held(router, 1)
        pause(router, 0)
        assert (await client.answer()).status == 200


async def test_a_sleeping_app_is_not_woken_before_the_end():
    calls = Calls(set())
    async with rig(ok) as router, router.client() as client:
        router.plane.listeners.add(calls)
        pause(router, time() + 60, State.IDLE)
        await client.send(get())
        await held(router, 1)
        assert await calls.take(0) == set() and router.plane.called() == set()
        pause(router, 0, State.IDLE)
        assert await calls.take(5) == {"id-of-hello"} and router.plane.called() == {"id-of-hello"}


def test_a_pause_is_in_the_table():
    app = App("id", "hello", ("hello.localhost",), State.UP, paused_until=1_800_000_000)
    table = Table(1, "localhost", (app,), "boot")
    assert Table.parse(table.to_json()) == table
    assert table.in_boot("another").apps[0].paused_until == 1_800_000_000
    with pytest.raises(TableError, match="paused_until of app hello"):
        Table.parse(table.to_json().replace("1800000000", "-1"))
