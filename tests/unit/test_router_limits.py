"""Limits of an app and of a dyno: who queues, who is turned away, and which dyno rests."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic

from router_rig import PATIENT, QUICK, Call, Rig, Wire, get, ok, post, rig
from test_router_faults import unused_port

from router.stage import Stage
from router.table import Dyno, State

ONE = replace(PATIENT, max_unanswered=1, max_queue=2)


class Slow:
    """A dyno that answers when it is told to, in the order in which it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._go = asyncio.Semaphore(0)

    async def __call__(self, call: Call) -> None:
        self.asked.append(call.line.split()[1])
        await self._go.acquire()
        await call.answer()

    def answer(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()


async def clients(router: Rig, stack: AsyncExitStack, count: int) -> list[Wire]:
    return [await stack.enter_async_context(router.client()) for _ in range(count)]


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


def queue(router: Rig) -> int:
    return len(router.plane.find("hello.localhost").load.queue)


async def ask_one_by_one(router: Rig, wires: list[Wire], slow: Slow) -> None:
    """A request of each, so that the first is with the dyno and the others queue in order."""
    for number, wire in enumerate(wires):
        await wire.send(get(f"/{number}"))
        await until(lambda number=number: len(slow.asked) + queue(router) == number + 1)


async def test_more_requests_than_a_dyno_may_have_queue_and_are_answered_in_order():
    slow = Slow()
    async with rig(slow, settings=ONE) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 3)
        await ask_one_by_one(router, wires, slow)
        assert (slow.asked, queue(router)) == (["/0"], 2)
        slow.answer(3)
        assert [(await wire.answer()).status for wire in wires] == [200, 200, 200]
        assert slow.asked == ["/0", "/1", "/2"]


async def test_h11_a_queue_that_is_full():
    slow = Slow()
    async with rig(slow, settings=ONE) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 4)
        await ask_one_by_one(router, wires[:3], slow)
        await wires[3].send(get("/3"))
        assert (await wires[3].answer()).status == 503
        line = await router.logged('at=error code=H11 desc="Backlog too deep" method=GET path="/3"')
        assert line.endswith("dyno= connect= service= status=503 bytes= protocol=http")
        slow.answer(4)
        assert [(await wire.answer()).status for wire in wires[:3]] == [200, 200, 200]
        assert (await wires[3].get("/4")).status == 200


async def test_h11_a_queue_that_does_not_move():
    slow = Slow()
    async with rig(slow, settings=replace(ONE, first_byte=60)) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 2)
        await ask_one_by_one(router, wires, slow)
        for client in router.plane.clients:
            if client.exchange.stage is Stage.SENT:
                client.exchange.deadline += 1000
        router.plane.sweep(monotonic() + 59)
        assert queue(router) == 1
        router.plane.sweep(monotonic() + 60.1)
        assert (await wires[1].answer()).status == 503
        await router.logged('at=error code=H11 desc="Backlog too deep" method=GET path="/1"')
        assert queue(router) == 0
        slow.answer()
        assert (await wires[0].answer()).status == 200


async def test_requests_queue_for_an_app_and_not_for_a_dyno():
    first, second = Slow(), Slow()
    async with rig(first, second, settings=ONE) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 3)
        for wire in wires[:2]:
            await wire.send(get())
        await until(lambda: first.asked and second.asked)
        await wires[2].send(get("/queued"))
        await until(lambda: queue(router) == 1)
        second.answer(2)
        assert (await wires[2].answer()).status == 200
        assert second.asked == ["/", "/queued"]
        first.answer()


async def test_an_answer_that_has_begun_holds_nobody_up():
    async def stream(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await call.reader.read()

    async with rig(stream, settings=ONE) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 5)
        for wire in wires:
            await wire.send(get())
            await wire.head()
        backend = next(iter(router.plane.backends.values()))
        assert (backend.in_flight, backend.answering, backend.full) == (5, 5, False)


async def test_who_queues_and_leaves_is_forgotten():
    slow = Slow()
    async with rig(slow, settings=ONE) as router:
        async with AsyncExitStack() as stack:
            wires = await clients(router, stack, 2)
            await ask_one_by_one(router, wires, slow)
        await until(lambda: queue(router) == 0)
        await until(lambda: router.plane.find("hello.localhost").load.active == 0)
        assert slow.asked == ["/0"]


async def test_who_queues_is_told_when_the_app_crashes_and_served_when_it_gets_another_dyno():
    slow = Slow()
    async with rig(slow, settings=ONE) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 2)
        await ask_one_by_one(router, wires, slow)
        router.swap(*router.dynos, await router.dyno(ok))
        assert (await wires[1].answer()).status == 200
        await wires[1].send(get("/1"))
        assert (await wires[1].answer()).status == 200
        router.swap(router.dynos[0])
        await wires[1].send(get("/2"))
        await until(lambda: queue(router) == 1)
        router.swap(state=State.CRASHED)
        assert (await wires[1].answer()).status == 503
        await router.logged("code=H10")
        slow.answer()
        assert (await wires[0].answer()).status == 200


async def test_h22_too_many_visitors():
    slow = Slow()
    async with rig(slow, settings=replace(PATIENT, max_active=2)) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 3)
        await ask_one_by_one(router, wires[:2], slow)
        assert (await wires[2].get("/2")).status == 503
        line = await router.logged('at=error code=H22 desc="Connection limit reached" method=GET path="/2"')
        assert line.endswith("dyno= connect= service= status=503 bytes= protocol=http")
        slow.answer(3)
        assert [(await wire.answer()).status for wire in wires[:2]] == [200, 200]
        assert (await wires[2].get("/3")).status == 200


async def test_h22_counts_those_who_wait_for_an_app_that_starts():
    async with rig(settings=replace(PATIENT, max_active=1)) as router, AsyncExitStack() as stack:
        wires = await clients(router, stack, 2)
        router.swap(state=State.STARTING)
        await wires[0].send(get())
        await until(lambda: router.plane.held)
        assert (await wires[1].get()).status == 503
        await router.logged("code=H22")
        router.swap(await router.dyno(ok))
        assert (await wires[0].answer()).status == 200


async def test_a_dyno_that_refuses_rests_and_is_asked_again_later():
    async with rig(ok, settings=replace(PATIENT, rest=60)) as router, router.client() as client:
        dead = Dyno("web.2", "127.0.0.1", unused_port())
        router.swap(router.dynos[0], dead)
        load = router.plane.find("hello.localhost").load
        async with asyncio.timeout(5):
            while len(load.ready) == 2:
                # Another connection each time, or the one that is pooled is used.
                assert (await client.ask(post(b"x"))).status == 200
                await router.dynos[0].hang_up()
        resting = router.plane.backends["127.0.0.1", dead.port, "id-of-hello"]
        assert (resting.rests_until > 0, [backend.name for backend in load.ready]) == (True, ["web.1"])
        router.plane.sweep(monotonic() + 59)
        assert len(load.ready) == 1
        router.plane.sweep(monotonic() + 60.1)
        assert len(load.ready) == 2


async def test_the_only_dyno_is_asked_even_if_it_has_refused():
    async with rig(settings=replace(QUICK, rest=60)) as router, router.client() as client:
        dead = Dyno("web.1", "127.0.0.1", unused_port())
        router.swap(dead)
        assert (await client.get()).status == 503
        revived = await router.dyno(ok)
        await revived.kill()
        revived.port = dead.port
        await revived.start()
        assert (await client.get()).status == 200


async def test_news_of_a_dyno_ends_its_rest():
    async with rig(ok, settings=replace(PATIENT, rest=60)) as router:
        backend = next(iter(router.plane.backends.values()))
        backend.rest()
        router.swap(*router.dynos)
        assert backend.rests_until > 0
        router.swap(state=State.STARTING)
        router.swap(*router.dynos)
        backend = next(iter(router.plane.backends.values()))
        assert backend.rests_until == 0


async def test_a_request_is_offered_to_ten_dynos_at_most():
    async with rig(settings=replace(PATIENT, settle=60)) as router, router.client() as client:
        dead = [Dyno(f"web.{number}", "127.0.0.1", unused_port()) for number in range(1, 13)]
        router.swap(*{dyno.port: dyno for dyno in dead}.values())
        await client.send(get())
        await until(lambda: router.plane.held)
        assert sum(backend.rests_until > 0 for backend in router.plane.backends.values()) == 10


async def test_h24_a_worker_that_cannot_wait_tells_those_who_were_not_answered():
    slow = Slow()
    async with rig(slow) as router, router.client() as client:
        await client.send(get())
        await until(lambda: slow.asked)
        router.plane.closing = True
        for each in list(router.plane.clients):
            each.cut()
        answer = await client.answer()
        assert (answer.status, answer.header("connection")) == (503, "close")
        assert await client.ended()
        await router.logged('at=error code=H24 desc="Forced close"')


async def test_h24_in_the_middle_of_an_answer():
    async def begin(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")
        await call.reader.read()

    async with rig(begin) as router, router.client() as client:
        await client.send(get())
        await client.head()
        assert await client.reader.readexactly(4) == b"part"
        for each in list(router.plane.clients):
            each.cut()
        assert await client.ended()
        assert "bytes=4" in await router.logged("code=H24")
