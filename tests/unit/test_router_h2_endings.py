"""HTTP/2: how connections end, and what becomes of what is under way then."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from h2_dynos import called, never
from h2_rig import get, raw, rig2
from router_rig import PATIENT, QUICK, Call, ok

NO_ERROR, CALM = 0, 11


async def test_a_connection_without_requests_is_closed():
    async with rig2(ok, settings=replace(QUICK, client_idle=0.1)) as router, router.client() as client:
        assert (await client.get()).status == 200
        await client.end()
        assert client.went_away == [(1, NO_ERROR)]


async def test_a_head_that_does_not_come_to_its_end():
    async with rig2(ok, settings=QUICK) as router, router.client() as client:
        client.say(raw(1, 0, 1, b""))
        assert await client.ended() == CALM
        await router.rig.logged("did not arrive in time")
        await client.end()


async def test_the_client_says_goodbye_and_gets_what_it_has_asked_for():
    gate = asyncio.Event()

    async def behaviour(call: Call) -> None:
        await gate.wait()
        await call.answer()

    async with rig2(behaviour) as router, router.client() as client:
        stream = client.ask(get())
        client.say(raw(7, 0, 0, bytes(8)))
        client.say(raw(6, 0, 0, bytes(8)))
        await client.until(lambda: client.pings)
        gate.set()
        assert (await client.answer(stream)).status == 200
        await client.end()


async def test_a_worker_that_ends_says_so_first_and_hears_what_is_under_way():
    gate = asyncio.Event()

    async def behaviour(call: Call) -> None:
        if call.line.startswith("GET /slow"):
            await gate.wait()
        await call.answer()

    async with rig2(behaviour, settings=replace(PATIENT, notice=0.2)) as router, router.client() as client:
        slow = client.ask(get("/slow"))
        await called(router)
        router.plane.closing = True
        await client.until(lambda: client.went_away)
        assert client.went_away == [(2**31 - 1, NO_ERROR)]
        assert (await client.get("/quick")).status == 200
        await client.until(lambda: len(client.went_away) == 2)
        assert client.went_away[1] == (3, NO_ERROR)
        # Too late, as the client will see: it may ask again elsewhere.
        late = client.ask(get("/late", method="POST"), [b"x"])
        gate.set()
        assert (await client.answer(slow)).status == 200
        await client.end()
        assert late not in client.answers
        assert [call.line for call in router.rig.dynos[0].calls] == ["GET /slow HTTP/1.1", "GET /quick HTTP/1.1"]


async def test_h24_who_cannot_be_waited_for_is_told():
    async with rig2(never) as router, router.client() as client:
        stream = client.ask(get())
        await called(router)
        (connection,) = router.plane.clients
        assert not connection.idle
        connection.cut()
        assert (await client.answer(stream)).status == 503
        await client.end()
        await router.rig.logged("code=H24")
