"""Session affinity: a client comes back to the dyno that it had, as long as that is there."""

import re

import pytest
from router_rig import Call, ok, rig

from router.affinity import line, token, tokens
from router.table import App, State, Table, TableError

KEY, OTHER_KEY = "ab" * 32, "cd" * 32


def stick(router, *dynos, key=KEY):
    """Give the app of the rig session affinity, on these dynos."""
    app = App(
        "id-of-hello", "hello", ("hello.localhost",), State.UP, tuple(fake.dyno for fake in dynos), affinity=key
    )
    router.plane.swap(Table(router.plane.table.sequence + 1, "localhost", (app,)))


def cookie_of(answer):
    """What a browser sends from then on."""
    return f"Cookie: {answer.header('set-cookie').partition(';')[0]}\r\n"


def served(router):
    return [len(fake.calls) for fake in router.dynos]


async def test_who_has_the_cookie_comes_back_and_gets_no_other():
    async with rig(ok, ok, ok) as router, router.client() as client:
        stick(router, *router.dynos)
        first = await client.get()
        assert re.fullmatch(r"heroku-session-affinity=[0-9a-f]{32}; Path=/; HttpOnly", first.header("set-cookie"))
        for _ in range(20):
            assert (await client.get(extra=cookie_of(first))).header("set-cookie") == ""
        assert sorted(served(router)) == [0, 0, 21]
        for _ in range(40):
            await client.get()
        assert min(served(router)) > 0


async def test_a_dyno_that_is_gone_gives_way_to_another_for_good():
    async with rig(ok, ok) as router, router.client() as client:
        stick(router, router.dynos[0])
        cookie = cookie_of(await client.get())
        stick(router, router.dynos[1])
        moved = await client.get(extra=cookie)
        assert cookie_of(moved) != cookie
        stick(router, *router.dynos)
        for _ in range(10):
            assert (await client.get(extra=cookie_of(moved))).header("set-cookie") == ""
        assert served(router) == [1, 11]


async def test_a_dyno_that_does_not_answer_the_door_gives_way_too():
    async with rig(ok, ok) as router, router.client() as client:
        stick(router, *router.dynos)
        first = await client.get()
        theirs = served(router).index(1)
        await router.dynos[theirs].kill()
        moved = await client.get(extra=cookie_of(first))
        assert moved.status == 200 and moved.header("set-cookie") != ""


async def test_a_dyno_that_has_just_closed_a_kept_connection_keeps_its_clients():
    answered = set()

    async def once(call: Call) -> None:
        if call.writer in answered:
            call.writer.close()
        else:
            answered.add(call.writer)
            await call.answer()

    async with rig(once, once, once) as router, router.client() as client:
        stick(router, *router.dynos)
        cookie = cookie_of(await client.get())
        for _ in range(5):
            again = await client.get(extra=cookie)
            assert (again.status, again.header("set-cookie")) == (200, "")
        assert sorted(fake.connections for fake in router.dynos) == [0, 0, 6]


async def test_the_apps_own_cookies_stay_as_they_are():
    async def sets(call: Call) -> None:
        await call.answer(extra="Set-Cookie: a=b\r\n")

    async with rig(sets) as router, router.client() as client:
        stick(router, *router.dynos)
        both = await client.get(extra="Cookie: x=y; z=1\r\n")
        assert re.fullmatch(r"a=b, heroku-session-affinity=\w+; Path=/; HttpOnly", both.header("set-cookie"))
        assert router.dynos[0].calls[0].headers("cookie") == ["x=y; z=1"]


async def test_requests_go_on_kept_connections():
    async with rig(ok) as router, router.client() as client:
        stick(router, *router.dynos)
        for _ in range(5):
            await client.get()
        assert router.dynos[0].connections == 1


async def test_apps_without_it_set_no_cookie():
    async with rig(ok, ok) as router, router.client() as client:
        assert (await client.get(extra=f"Cookie: heroku-session-affinity={token(KEY, 'web.1').decode()}\r\n")).header(
            "set-cookie"
        ) == ""
        assert router.plane.find("hello.localhost").open


def test_a_cookie_says_nothing_without_the_key():
    assert token(KEY, "web.1") != token(KEY, "web.2") != token(OTHER_KEY, "web.2")
    assert token(KEY, "web.1") == token(KEY, "web.1")
    assert line(b"x", secure=True) == b"Set-Cookie: heroku-session-affinity=x; Path=/; HttpOnly; Secure\r\n"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        ([b"a=b"], []),
        ([b"a=b; heroku-session-affinity=x;c=d"], [b"x"]),
        ([b"heroku-session-affinity=x", b"heroku-session-affinity=y; z"], [b"x", b"y"]),
        ([b"xheroku-session-affinity=x; ; ="], []),
    ],
)
def test_the_cookie_is_found_among_others(values, found):
    assert tokens(values) == found


def test_the_key_is_in_the_table_and_nowhere_else():
    app = App("id", "hello", ("hello.localhost",), State.UP, affinity=KEY)
    table = Table(1, "localhost", (app,))
    assert Table.parse(table.to_json()) == table
    assert KEY not in repr(table)
    with pytest.raises(TableError, match="affinity of app hello"):
        Table.parse(table.to_json().replace(KEY, "xyz"))
