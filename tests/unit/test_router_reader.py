"""Tables taken in while requests go on: in pieces, and only what has changed."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from router_rig import PATIENT

from router.journal import Journal
from router.pace import Pace
from router.plane import Plane
from router.reader import Reader
from router.table import App, Dyno, State, Table, TableError


def app(number, port=20000):
    hosts = (f"app-{number}.localhost", f"www.{number}.de", f"*.{number}.de")
    return App(f"id-{number}", f"app-{number}", hosts, State.UP, (Dyno("web.1", "10.83.0.7", port),))


def table(sequence=1, count=120):
    return Table(sequence, "localhost", tuple(map(app, range(count))), "boot")


def written(value):
    return value.to_json().encode()


@pytest.mark.parametrize("count", [0, 1, 2, 120])
async def test_a_table_is_read_as_it_was_written(count):
    assert await Reader().read(written(table(count=count))) == table(count=count)


async def test_apps_that_have_not_changed_are_the_same_objects():
    reader = Reader()
    first = await reader.read(written(table()))
    changed = tuple(app(7, port=20001) if each.name == "app-7" else each for each in table().apps[:-1])
    second = await reader.read(written(replace(table(2), apps=changed)))
    same = [one is other for one, other in zip(first.apps, second.apps, strict=False)]
    assert same.count(False) == 1 and not same[7]
    assert second.lookup("www.7.de") == app(7, port=20001)
    assert second.lookup("app-119.localhost") is None


async def test_a_table_in_another_form_is_read_too():
    reader = Reader()
    assert await reader.read(json.dumps(json.loads(written(table())), indent=2).encode()) == table()
    assert await reader.read(written(table())) == table()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"\n]}\n",
        b"{\n\n]}\n",
        b'{"apps":[\n\n]}\n',
        b'{"sequence":1,"apps":[\n1,\n2\n]}\n',
        b'{"sequence":1,"apps":[1,\n2\n]}\n',
        b'{"sequence":1,"apps":[\n{"a":\n1}\n]}\n',
        written(table()).replace(b"20000", b"0", 1),
        written(table()).replace(b"www.7.de", b"www.8.de", 1),
        written(Table(1, "localhost", (app(1), app(2)))).replace(b"id-2", b"id-1"),
        written(Table(1, "localhost", (app(1), replace(app(2), hosts=())))).replace(b"-2", b"-1"),
    ],
)
async def test_what_is_no_table_is_refused_as_ever(document):
    with pytest.raises(TableError) as expected:
        Table.parse(document)
    reader = Reader()
    await reader.read(written(table()))
    with pytest.raises(TableError) as found:
        await reader.read(document)
    assert str(found.value) == str(expected.value)
    assert await reader.read(written(table(3))) == table(3)


async def test_an_app_that_is_there_twice_is_refused():
    line = written(Table(1, "localhost", (app(1),))).split(b"\n")[1]
    with pytest.raises(TableError, match="twice"):
        await Reader().read(b'{"sequence":1,"apps":[\n%b,\n%b\n]}\n' % (line, line))


@asynccontextmanager
async def turns():
    """Counts the turns that others have."""
    count = [0]

    async def other():
        while True:
            count[0] += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    yield count
    task.cancel()


def impatient():
    """Every step is a piece."""
    return Pace(0)


async def test_others_have_their_turn_while_a_table_is_read_and_put_in_force():
    loop = asyncio.get_running_loop()
    plane = Plane(PATIENT, Journal(None, loop), loop)
    async with turns() as count:
        read = await Reader(impatient).read(written(table(count=200)))
        assert count[0] >= 200
        await plane.change(read, Pace(0))
        assert count[0] >= 400
    assert plane.find("www.199.de").app == app(199)


async def test_at_every_moment_of_a_swap_each_host_has_its_old_app_or_its_new_one():
    """In the old table and in the new one an app stays, changes, loses a host to another, comes, goes."""
    loop = asyncio.get_running_loop()
    plane = Plane(PATIENT, Journal(None, loop), loop)
    moved = replace(app(2), hosts=("app-2.localhost",))
    taker = replace(app(3), hosts=(*app(3).hosts, "www.2.de"), state=State.STARTING, dynos=())
    old = Table(1, "localhost", (app(0), app(1), app(2), app(3), app(4)))
    new = Table(2, "localhost", (old.apps[0], app(1, port=20001), moved, taker, app(5)))
    hosts = {host.replace("*", "x") for one in (*old.apps, *new.apps) for host in one.hosts}
    plane.swap(old)
    looked = 0

    def owner(found):
        return found.id if found else None

    async def look():
        nonlocal looked
        while True:
            for host in hosts:
                route = plane.find(host)
                assert owner(route and route.app) in (owner(old.lookup(host)), owner(new.lookup(host)))
                if route is not None and route.open:
                    assert plane.choose(route.load.ready, ()) in route.backends
            looked += 1
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    async with plane.changing:
        await plane.change(new, Pace(0))
    assert looked >= len(new.apps) and not looking.done()
    looking.cancel()
    for host in hosts:
        route = plane.find(host)
        assert (route.app if route else None) == new.lookup(host)
    assert {key[2] for key in plane.backends} == {"id-0", "id-1", "id-2", "id-5"}


async def test_a_swap_keeps_the_routes_of_apps_that_have_not_changed(tmp_path):
    loop = asyncio.get_running_loop()
    plane, reader = Plane(PATIENT, Journal(None, loop), loop), Reader()
    plane.swap(await reader.read(written(table(count=3))))
    before = {host: plane.find(host) for host in ("www.0.de", "x.1.de", "app-2.localhost")}
    assert [route.app.name for route in before.values()] == ["app-0", "app-1", "app-2"]
    plane.swap(await reader.read(written(Table(2, "localhost", (app(0), app(1, port=20001)), "boot"))))
    assert plane.find("www.0.de") is before["www.0.de"]
    assert plane.find("x.1.de").backends[0].port == 20001
    assert plane.find("app-2.localhost") is None
    assert {backend.port for backend in plane.backends.values()} == {20000, 20001}
    assert len(plane.backends) == 2
