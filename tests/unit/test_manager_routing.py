"""The control plane's side of the router: tables on disk and in workers, whatever becomes of either."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from hostd.faults import Faults
from hostd.manager.dyno import Place
from hostd.manager.routes import api_route
from hostd.manager.routing import Routing
from hostd.settings import Settings
from router.store import load, save
from router.table import App, State, Table

HELLO = App("id-1", "hello", ("hello.localhost",), State.NONE)
OTHER = App("id-2", "other", ("other.localhost",), State.NONE)


class FakeWorker:
    """A router worker's control socket. With `ready` cleared it hangs."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.sequence = 0
        self.left = 0
        self.ready = asyncio.Event()
        self.ready.set()
        self.asked = 0
        self.quiet: dict[str, float] = {}
        self.calls: list[str] = []

    async def swap(self, request: web.Request) -> web.Response:
        self.asked += 1
        table = Table.parse(await request.read())
        await self.ready.wait()
        self.tables.append(table)
        return web.json_response({"sequence": table.sequence})

    async def drain(self, _request: web.Request) -> web.Response:
        return web.json_response({"left": self.left})

    async def status(self, _request: web.Request) -> web.Response:
        return web.json_response({"sequence": self.sequence or None})

    async def tell_quiet(self, _request: web.Request) -> web.Response:
        return web.json_response(self.quiet)

    async def tell_calls(self, _request: web.Request) -> web.Response:
        return web.Response(text="\n".join(["", *self.calls, ""]))

    @contextlib.asynccontextmanager
    async def listening(self, path: Path):
        app = web.Application()
        app.add_routes(
            [
                web.put("/routes", self.swap),
                web.post("/drain", self.drain),
                web.get("/status", self.status),
                web.get("/quiet", self.tell_quiet),
                web.get("/calls", self.tell_calls),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(path)).start()
        try:
            yield self
        finally:
            self.ready.set()
            await runner.cleanup()


@pytest.fixture
def control(tmp_path):
    (tmp_path / "control").mkdir()
    return tmp_path / "control"


@pytest.fixture
async def worker(control):
    async with FakeWorker().listening(control / "1.sock") as worker:
        yield worker


@pytest.fixture
def table_file(tmp_path):
    return tmp_path / "routes.json"


@pytest.fixture
def make(tmp_path, table_file, control):
    def make(**options):
        faults = Faults(tmp_path / "faults")
        return Routing(
            table_file=table_file, control_directory=control, domain="localhost", faults=faults, **options
        )

    return make


@pytest.fixture
def routing(make):
    return make()


async def test_a_table_is_on_disk_before_a_worker_has_it(routing, worker, table_file):
    assert routing.set("id-1", HELLO)
    assert not routing.set("id-1", HELLO)
    await routing.publish()
    assert worker.tables == [load(table_file)]
    assert worker.tables[0].apps == (HELLO,)
    await routing.publish()
    assert worker.asked == 1


async def test_the_first_table_is_published_although_nothing_is_in_it(make, table_file, worker):
    save(table_file, Table(7, "localhost", (HELLO,)))
    await make().publish()
    assert [(table.sequence, table.apps) for table in worker.tables] == [(8, ())]


async def test_a_lost_file_does_not_make_workers_refuse_the_next_table(routing, worker):
    worker.sequence = 40
    await routing.catch_up()
    await routing.publish()
    assert [table.sequence for table in worker.tables] == [41]


async def test_a_worker_that_is_not_there_holds_nobody_up(routing, control, table_file, worker):
    async with FakeWorker().listening(control / "2.sock"):
        pass
    (control / "2.sock").touch()
    routing.set("id-1", HELLO)
    await routing.publish()
    assert len(worker.tables) == 1
    await routing.publish()
    assert len(worker.tables) == 1


async def test_a_worker_that_hangs_is_told_again_by_the_next_call(make, worker):
    routing = make(answer_seconds=0.05)
    worker.ready.clear()
    routing.set("id-1", HELLO)
    await routing.publish()
    assert worker.tables == []
    worker.ready.set()
    await routing.publish()
    assert worker.tables[-1].apps == (HELLO,)


async def test_callers_share_a_table_and_one_that_is_cancelled_spoils_nothing(routing, worker, table_file):
    worker.ready.clear()
    routing.set("id-1", HELLO)
    first = asyncio.create_task(routing.publish())
    while not worker.asked:
        await asyncio.sleep(0)
    routing.set("id-2", OTHER)
    others = [asyncio.create_task(routing.publish()) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    others[0].cancel()
    worker.ready.set()
    await asyncio.gather(first, *others, return_exceptions=True)
    assert [table.apps for table in worker.tables] == [(HELLO,), (HELLO, OTHER)]
    assert load(table_file) == worker.tables[-1]


async def test_requests_left_at_a_dyno_are_added_up(routing, control, worker):
    worker.left = 2
    async with FakeWorker().listening(control / "2.sock") as other:
        other.left = 3
        assert await routing.drain([Place("127.0.0.1", 20000)], 1.0) == 5


async def test_an_app_is_quiet_as_long_as_it_is_at_every_worker(routing, worker, control):
    worker.quiet = {"id-1": 30.0, "id-2": 5.0, "id-3": 9.0}
    assert await routing.quiet() == worker.quiet
    async with FakeWorker().listening(control / "2.sock") as other:
        other.quiet = {"id-1": 7.0, "id-2": 8.0}
        assert await routing.quiet() == {"id-1": 7.0, "id-2": 5.0}
    # One that does not answer may have had requests.
    (control / "2.sock").touch()
    assert await routing.quiet() == {}


async def test_calls_are_heard_until_the_worker_ends(routing, worker):
    worker.calls = ["id-1", "", "id-2"]
    assert [app_id async for app_id in routing.calls(1)] == ["id-1", "id-2"]
    with pytest.raises(OSError, match="Cannot connect"):
        await anext(routing.calls(2))


async def test_a_host_that_moves_is_the_app_s_that_got_it_last(tmp_path):
    routing = Routing(
        table_file=tmp_path / "routes.json", control_directory=tmp_path, domain="localhost", faults=Faults(tmp_path)
    )
    shop = replace(HELLO, hosts=("hello.localhost", "www.shop.de"))
    taker = replace(OTHER, hosts=("other.localhost", "www.shop.de"))

    async def holder() -> str | None:
        await routing.publish()
        found = load(tmp_path / "routes.json").lookup("www.shop.de")
        return found.name if found else None

    routing.set(shop.id, shop)
    assert await holder() == "hello"
    # The other app's keeper may be the first to look after the domain has moved.
    routing.set(taker.id, taker)
    assert await holder() == "other"
    routing.set(shop.id, replace(shop, state=State.STARTING))
    assert await holder() == "other"
    routing.set(shop.id, HELLO)
    assert await holder() == "other"
    routing.set(taker.id, None)
    assert await holder() is None
    routing.set(shop.id, shop)
    assert await holder() == "hello"


async def test_a_full_disk_keeps_no_worker_from_a_table_and_the_next_call_saves_it(
    routing, worker, table_file, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    routing.set("id-1", HELLO)
    worker.sequence = 1
    with monkeypatch.context() as patch:
        patch.setattr("hostd.manager.routing.save", full)
        await routing.publish()
        assert worker.tables[-1].apps == (HELLO,) and not table_file.exists()
        (problem,) = await routing.problems(1)
        assert problem == "The route table cannot be saved: [Errno 28] No space left on device."
    await routing.publish()
    assert load(table_file) == worker.tables[-1]
    assert await routing.problems(1) == []


async def test_what_is_wrong_with_the_workers_is_told(routing, worker):
    assert await routing.problems(2) == ["Worker 1 has no route table.", "Worker 2 does not answer."]
    worker.sequence = 7
    assert await routing.problems(1) == []


async def test_a_worker_that_begins_with_an_older_table_gets_the_newest_and_the_file_is_made_anew(
    routing, worker, table_file
):
    routing.set("id-1", HELLO)
    await routing.publish()
    worker.sequence = worker.tables[-1].sequence
    assert [app_id async for app_id in routing.calls(1)] == []
    assert worker.asked == 1
    table_file.write_text("damaged")
    worker.sequence = 0
    assert [app_id async for app_id in routing.calls(1)] == []
    assert worker.asked == 2
    assert load(table_file) == worker.tables[-1]


async def test_what_a_killed_hostd_was_writing_is_taken_away(make, table_file):
    draft = table_file.with_name(".routes.json.k3j_2x")
    draft.write_text("half of a ta")
    make()
    assert not draft.exists()


async def test_a_file_that_cannot_be_read_is_replaced(make, table_file, worker):
    table_file.mkdir()
    routing = make()
    routing.set("id-1", HELLO)
    await routing.publish()
    assert worker.tables[-1].apps == (HELLO,)
    assert "cannot be saved" in (await routing.problems(0))[0]
    table_file.rmdir()
    await routing.publish()
    assert load(table_file).apps == (HELLO,)


def test_the_api_has_an_entry_of_its_own():
    entry = api_route(Settings(domain="apps.example.com", api_port=7171))
    table = Table.parse(Table(1, "apps.example.com", (entry,)).to_json())
    assert table.lookup("api.apps.example.com:443") == entry
    assert entry.dynos[0].port == 7171 and entry.https_only
