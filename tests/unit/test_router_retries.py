"""Nothing is lost: retries, held requests, table swaps and drains under load."""

import asyncio

from router_rig import PATIENT, Call, FakeDyno, get, ok, post, rig

from router.table import State


async def named(call: Call) -> None:
    await call.body()
    await call.answer(str(call.writer.get_extra_info("sockname")[1]).encode())


async def test_requests_go_to_the_less_busy_of_two():
    async def slow(call: Call) -> None:
        await asyncio.sleep(30)

    async with rig(slow, named) as router:
        backends = [*router.plane.backends.values()]
        backends[0].in_flight = 5
        async with router.client() as client:
            for _ in range(20):
                assert (await client.get()).status == 200
        backends[0].in_flight = 0


async def test_all_dynos_of_an_app_get_requests():
    async with rig(named, named, named) as router, router.client() as client:
        for _ in range(60):
            await client.get()
        assert all(len(fake.calls) > 5 for fake in router.dynos)


async def test_a_refused_connection_is_tried_elsewhere_whatever_the_method():
    async with rig(named, named) as router, router.client() as client:
        await router.dynos[0].kill()
        for _ in range(20):
            assert (await client.get()).status == 200
            assert (await client.ask(post(b"body"))).status == 200
        assert len(router.dynos[1].calls) == 40


async def test_a_request_that_every_dyno_refused_waits_for_news():
    async with rig(named) as router, router.client() as client:
        await router.dynos[0].kill()
        await client.send(post(b"body"))
        while not router.plane.held:
            await asyncio.sleep(0.005)
        router.swap(state=State.STARTING)
        await asyncio.sleep(0.02)
        other = await router.dyno(named)
        router.swap(other)
        assert (await client.answer()).body == str(other.port).encode()
        assert other.calls[0].headers("content-length") == ["4"]


async def test_an_app_that_starts_gets_the_requests_it_was_sent_meanwhile():
    async with rig() as router, router.client() as first, router.client() as second:
        router.swap(state=State.STARTING)
        await first.send(get("/1"))
        await second.send(post(b"x" * 100_000))
        while len(router.plane.held) < 2:
            await asyncio.sleep(0.005)
        router.swap(state=State.STARTING)
        assert len(router.plane.held) == 2
        router.swap(await router.dyno(ok))
        assert (await first.answer()).status == 200
        assert (await second.answer()).status == 200


async def test_a_held_request_of_an_app_that_crashes_is_told_so():
    async with rig() as router, router.client() as client:
        router.swap(state=State.STARTING)
        await client.send(get())
        while not router.plane.held:
            await asyncio.sleep(0.005)
        router.swap(state=State.CRASHED)
        assert (await client.answer()).status == 503
        await router.logged("code=H10")


async def test_stale_pooled_connections_are_never_noticed():
    async with rig(ok) as router, router.client() as client:
        for _ in range(10):
            assert (await client.get()).status == 200
            await router.dynos[0].hang_up()
            assert (await client.ask(post(b"x"))).status == 200
            await router.dynos[0].hang_up()
        assert [call.line[:4] for call in router.dynos[0].calls] == ["GET ", "POST"] * 10


async def test_a_pooled_connection_that_dies_on_use_is_replaced():
    async def once(call: Call) -> None:
        if len(router.dynos[0].calls) == 2:
            call.writer.transport.abort()
        else:
            await call.answer()

    async with rig(once) as router, router.client() as client:
        assert (await client.get("/1")).status == 200
        assert (await client.get("/2")).status == 200
        assert [call.line for call in router.dynos[0].calls] == [f"GET /{n} HTTP/1.1" for n in (1, 2, 2)]


async def test_a_request_with_effects_is_never_sent_twice():
    async def once(call: Call) -> None:
        await call.body()
        if len(router.dynos[0].calls) == 2:
            call.writer.transport.abort()
        else:
            await call.answer()

    async with rig(once) as router, router.client() as client:
        assert (await client.ask(post(b"1"))).status == 200
        assert (await client.ask(post(b"2"))).status == 503
        assert len(router.dynos[0].calls) == 2
        await router.logged("code=H13")


async def test_a_request_with_effects_uses_no_old_connection():
    async with rig(ok) as router, router.client() as client:
        await client.ask(post(b"1"))
        assert router.dynos[0].connections == 1
        await client.ask(post(b"2"))
        assert router.dynos[0].connections == 1
        pooled = next(iter(router.plane.backends.values())).idle
        pooled[0].idle_since -= router.plane.settings.fresh
        await client.ask(post(b"3"))
        assert router.dynos[0].connections == 2


async def test_a_killed_dyno_loses_no_repeatable_request():
    async def working(call: Call) -> None:
        await asyncio.sleep(0.05)
        await call.answer()

    async with rig(working, working) as router:
        async def one() -> int:
            async with router.client() as client:
                return (await client.get()).status

        asking = [asyncio.create_task(one()) for _ in range(20)]
        while len(router.dynos[0].calls) < 3:
            await asyncio.sleep(0.002)
        await router.dynos[0].kill()
        assert await asyncio.gather(*asking) == [200] * 20


async def test_a_swap_closes_idle_connections_of_vanished_dynos_only():
    async with rig(named, named) as router, router.client() as client:
        for _ in range(20):
            await client.get()
        kept, gone = router.dynos
        router.swap(kept)
        await asyncio.sleep(0.05)
        spots = {backend.spot: len(backend.idle) for backend in router.plane.backends.values()}
        assert spots == {f"127.0.0.1:{kept.port}": 1}
        await client.get()
        assert (kept.connections, gone.connections) == (1, 1)


async def test_drain_tells_when_no_request_is_left():
    go = asyncio.Event()

    async def wait(call: Call) -> None:
        await go.wait()
        await call.answer()

    async with rig(wait) as router, router.client() as client:
        old = router.dynos[0]
        await client.send(get())
        while not old.calls:
            await asyncio.sleep(0.005)
        router.swap(await router.dyno(ok))
        assert await router.plane.drained({f"127.0.0.1:{old.port}"}, 0.02) == (1, 0)
        draining = asyncio.create_task(router.plane.drained({f"127.0.0.1:{old.port}"}, 5))
        await asyncio.sleep(0.02)
        assert not draining.done()
        go.set()
        assert await draining == (0, 0)
        assert (await client.answer()).status == 200
        assert await router.plane.drained({"127.0.0.1:1"}, 5) == (0, 0)


async def test_drain_counts_tunnels_apart_and_ends_them_at_its_deadline():
    async def tunnel(call: Call) -> None:
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await call.reader.read()

    async with rig(tunnel) as router, router.client() as client:
        await client.send(get(extra="Connection: Upgrade\r\nUpgrade: x\r\n"))
        await client.head()
        assert await router.plane.drained({f"127.0.0.1:{router.dynos[0].port}"}, 0.1) == (0, 1)
        assert await client.ended()


async def test_no_request_fails_while_dynos_come_and_go():
    async def brief(call: Call) -> None:
        await call.body()
        await asyncio.sleep(0.001)
        await call.answer()

    failures: list[str] = []
    asked = 0
    over = asyncio.Event()

    async with rig(brief, brief, settings=PATIENT) as router:
        async def load(number: int) -> None:
            nonlocal asked
            async with router.client() as client:
                while not over.is_set():
                    answer = await client.ask(post(b"x" * number) if number % 2 else get())
                    asked += 1
                    if answer.status != 200:
                        failures.append(answer.head.decode())

        async def deploy(old: list[FakeDyno]) -> list[FakeDyno]:
            new = [await router.dyno(brief) for _ in old]
            router.swap(*new)
            left = await router.plane.drained({f"127.0.0.1:{fake.port}" for fake in old}, 5)
            assert left == (0, 0)
            for fake in old:
                await fake.kill()
            return new

        clients = [asyncio.create_task(load(number)) for number in range(20)]
        current = router.dynos[:2]
        for _ in range(15):
            await asyncio.sleep(0.03)
            current = await deploy(current)
        over.set()
        await asyncio.gather(*clients)
    assert failures == []
    assert asked > 300
