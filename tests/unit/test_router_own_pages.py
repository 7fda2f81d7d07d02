"""Pages of an app's own in place of the router's: when they are shown, and what happens when they are not there."""

import json
from dataclasses import replace
from functools import partial

import pytest
from router_rig import Call, get, rig

from router.faults import H10, H12, H80, NO_APP, refusal
from router.own_pages import OwnPages
from router.plane import Plane
from router.table import App, State, Table, TableError

SOON, OOPS = f"{'a' * 32}-{'1' * 32}", f"{'b' * 32}-{'2' * 32}"
APP = App("id-of-hello", "hello", ("hello.localhost",), State.MAINTENANCE, (), maintenance_page=SOON, error_page=OOPS)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / SOON).write_bytes("<h1>Zur\u00fcck um f\u00fcnf</h1>".encode())
    (tmp_path / OOPS).write_bytes(b"<h1>Oops</h1>")
    return tmp_path


@pytest.fixture
def with_pages(folder):
    """A kind of plane that knows the folder."""

    return partial(Plane, pages=folder)


async def hang_up(call: Call) -> None:
    call.writer.close()


async def test_a_page_is_shown_with_the_status_and_the_code_of_its_fault(with_pages):
    async with rig(kind=with_pages) as router, router.client() as client:
        router.plane.swap(Table(1, "localhost", (APP,)))
        answer = await client.ask(get())
        assert (answer.status, answer.body.decode()) == (503, "<h1>Zur\u00fcck um f\u00fcnf</h1>")
        assert answer.header("content-type") == "text/html; charset=utf-8"
        assert answer.header("cache-control") == "no-cache, no-store"
        head = await client.ask(b"HEAD / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n")
        assert (head.status, head.header("content-length"), head.body) == (503, str(len(answer.body)), b"")
        as_json = await client.ask(get(extra="Accept: application/json\r\n"))
        assert json.loads(as_json.body)["code"] == "H80"
        await router.logged("at=info code=H80")
        router.plane.swap(Table(2, "localhost", (replace(APP, state=State.CRASHED),)))
        assert (await client.ask(get())).body == b"<h1>Oops</h1>"


async def test_an_answer_of_the_app_is_never_replaced(with_pages):
    async def fails(call: Call) -> None:
        await call.answer(b"my own mistake", status="500 Internal Server Error")

    async with rig(fails, hang_up, kind=with_pages) as router, router.client() as client:
        first, second = (fake.dyno for fake in router.dynos)
        router.plane.swap(Table(1, "localhost", (replace(APP, state=State.UP, dynos=(first,)),)))
        assert (await client.ask(get())).body == b"my own mistake"
        router.plane.swap(Table(2, "localhost", (replace(APP, state=State.UP, dynos=(second,)),)))
        assert (await client.ask(get())).body == b"<h1>Oops</h1>"


def test_only_faults_of_the_app_or_ours_have_pages(folder):
    pages = OwnPages(folder)
    assert pages.of(APP, H80) == (folder / SOON).read_bytes()
    assert pages.of(APP, H10) == pages.of(APP, H12) == b"<h1>Oops</h1>"
    assert pages.of(APP, NO_APP) is None
    assert pages.of(APP, refusal(400, "No")) is None
    assert pages.of(replace(APP, error_page=""), H10) is None


def test_a_page_that_is_not_there_is_looked_for_again(folder):
    pages, name = OwnPages(folder), f"{'c' * 32}-{'3' * 32}"
    app = replace(APP, error_page=name)
    assert pages.of(app, H10) is None
    (folder / name).write_bytes(b"late")
    assert pages.of(app, H10) == b"late"
    (folder / name).unlink()
    assert pages.of(app, H10) == b"late"
    assert OwnPages(None).of(app, H10) is None


def test_so_many_pages_are_kept_in_memory_and_no_more(folder):
    pages = OwnPages(folder)
    names = [f"{'d' * 32}-{number:032x}" for number in range(70)]
    for name in names:
        (folder / name).write_bytes(name.encode())
        assert pages.of(replace(APP, error_page=name), H10) == name.encode()
        (folder / name).unlink()
    kept = [name for name in names if pages.of(replace(APP, error_page=name), H10)]
    assert kept == names[-64:]


def test_pages_are_in_the_table_and_name_no_other_file():
    table = Table(1, "localhost", (APP,))
    assert Table.parse(table.to_json()) == table
    for name in ("../../etc/passwd", "x", SOON.upper()):
        with pytest.raises(TableError, match="error_page of app hello"):
            Table.parse(table.to_json().replace(OOPS, name))
