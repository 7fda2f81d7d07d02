"""Query parameters whose values stay out of the log."""

import pytest
from router_rig import ok, rig

from router.masking import masked
from router.table import App, State, Table, TableError

NAMES = frozenset(("token", "user[pass]", "schl\u00fcssel"))


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/", b"/"),
        (b"/?a=1&b", b"/?a=1&b"),
        (b"/?token=x", b"/?token=[masked]"),
        (b"/?a=1&token=x&b=2", b"/?a=1&token=[masked]&b=2"),
        (b"/?token=x&token=y", b"/?token=[masked]&token=[masked]"),
        (b"/?TOKEN=x", b"/?TOKEN=[masked]"),
        (b"/?%74ok%65n=x", b"/?%74ok%65n=[masked]"),
        (b"/?+token=x&%20token%20=y", b"/?+token=[masked]&%20token%20=[masked]"),
        (b"/?token[]=x&token%5Ba%5D=y", b"/?token[]=[masked]&token%5Ba%5D=[masked]"),
        (b"/?user[pass]=x&user[name]=y", b"/?user[pass]=[masked]&user[name]=y"),
        (b"/?schl%C3%BCssel=x&schl\xc3\xbcssel=y", b"/?schl%C3%BCssel=[masked]&schl\xc3\xbcssel=[masked]"),
        (b"/?token=a;b=c", b"/?token=[masked]"),
        (b"/?a=1;token=x;y&b=2", b"/?a=1;token=[masked]&b=2"),
        (b"/?token=x=y", b"/?token=[masked]"),
        (b"/?token", b"/?token"),
        (b"/?token=", b"/?token=[masked]"),
        (b"/?mytoken=x&tokens=y&%ff=z&=w", b"/?mytoken=x&tokens=y&%ff=z&=w"),
        (b"/token=x?a?token=y", b"/token=x?a?token=y"),
        (b"/a?b=1?c&token=y", b"/a?b=1?c&token=[masked]"),
    ],
)
def test_values_are_masked_however_their_names_are_written(target, shown):
    assert masked(target, NAMES) == shown


def put(router, **more):
    """Give the rig's app what the test is about."""
    dynos = tuple(fake.dyno for fake in router.dynos)
    app = App("id-of-hello", "hello", ("hello.localhost",), State.UP, dynos, **more)
    router.plane.swap(Table(router.plane.table.sequence + 1, "localhost", (app,)))


async def test_the_log_keeps_the_secret_and_the_dyno_gets_it():
    async with rig(ok) as router, router.client() as client:
        put(router, masked=("Token", "key"))
        assert (await client.get("/one?a=1&tok%65n=secret-1&Key=secret-2")).status == 200
        assert 'path="/one?a=1&tok%65n=[masked]&Key=[masked]" ' in await router.logged("/one")
        assert router.dynos[0].calls[0].line == "GET /one?a=1&tok%65n=secret-1&Key=secret-2 HTTP/1.1"
        put(router)
        await client.get("/two?token=shown")
        assert "token=shown" in await router.logged("/two")
        assert "secret" not in "".join(router.lines)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /bad?token=secret HTTP/1.1\r\nHost: hello.localhost\r\nTransfer-Encoding: x\r\n\r\n",
        b"GET /bad?token=secret HTTP/1.1\r\nHost: hello.localhost\r\nbroken\r\n\r\n",
        b"GET /bad?token=secret HTTP/1.1\r\nHost: unknown.localhost\r\n\r\n",
        b"GET /bad?token=secret HTTP/1.1\r\n\r\n",
        b"GET /bad?token=secret HTTP/7.7\r\nHost: hello.localhost\r\n\r\n",
    ],
    ids=["coding", "header", "unknown host", "no host", "version"],
)
async def test_what_is_refused_shows_no_secret_either(request_):
    async with rig(ok) as router, router.client() as client:
        put(router, masked=("token",))
        assert (await client.ask(request_)).status >= 400
        line = await router.logged("status=")
        assert "secret" not in line and ("/bad" not in line or "token=[masked]" in line)


def test_names_are_in_the_table():
    app = App("id", "hello", ("hello.localhost",), State.UP, masked=("user[pass]", "\u00fc"))
    table = Table(1, "localhost", (app,))
    assert Table.parse(table.to_json()) == table
    with pytest.raises(TableError, match="masked parameter of app hello"):
        Table.parse(table.to_json().replace('"user[pass]"', "7"))
