"""What an app wants of the router holds over HTTP/2 too: gate, pauses, masks, and the way back to a dyno."""

from __future__ import annotations

import asyncio
import base64
from time import time

import pytest
from h2_rig import Rig2, get, rig2
from router_rig import KATE, Call, ok

from router.gate import Gate
from router.table import App, State, Table

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def put(router: Rig2, **wants: object) -> None:
    """Give the app these wishes."""
    dynos = tuple(fake.dyno for fake in router.rig.dynos)
    app = App("id-of-hello", "hello", ("hello.localhost",), State.UP, dynos, **wants)
    router.plane.swap(Table(router.plane.table.sequence + 1, "localhost", (app,)))


def basic(password: str) -> tuple[str, str]:
    return "authorization", f"Basic {base64.b64encode(f'kate:{password}'.encode()).decode()}"


async def test_the_gate_asks_on_each_stream_and_keeps_the_password():
    async with rig2(ok) as router, router.client() as client:
        put(router, gate=Gate({"kate": KATE}))
        asked, wrong, *right = (
            client.ask(get("/", *headers)) for headers in ((), (basic("wrong"),), *[(basic("correct horse"),)] * 3)
        )
        refused = await client.answer(asked)
        assert (refused.status, refused.final["www-authenticate"]) == (401, 'Basic realm="hello", charset="UTF-8"')
        assert (await client.answer(wrong)).status == 401
        assert [(await client.answer(stream)).status for stream in right] == [200] * 3
        assert [call.headers("authorization") for call in router.rig.dynos[0].calls] == [[]] * 3


async def test_a_body_is_held_until_the_password_was_checked():
    async def echo(call: Call) -> None:
        await call.answer(await call.body())

    async with rig2(echo) as router, router.client() as client:
        put(router, gate=Gate({"kate": KATE}))
        stream = client.ask(get("/", basic("correct horse"), method="POST"), [b"x" * 10_000] * 6)
        assert bytes((await client.answer(stream)).body) == b"x" * 60_000


async def test_a_client_comes_back_to_its_dyno_by_a_cookie_for_https_alone():
    async with rig2(ok, ok, ok) as router, router.client() as client:
        put(router, affinity="ab" * 32)
        first = await client.get()
        given = first.final["set-cookie"]
        assert given.startswith("heroku-session-affinity=") and given.endswith("; Path=/; HttpOnly; Secure")
        for _ in range(10):
            # Cookies come one by one over HTTP/2.
            again = await client.get("/", ("cookie", "a=b"), ("cookie", given.partition(";")[0]))
            assert again.status == 200 and "set-cookie" not in again.final
        assert sorted(len(fake.calls) for fake in router.rig.dynos) == [0, 0, 11]


async def test_streams_wait_for_the_end_of_a_pause_and_secrets_stay_out_of_the_log():
    async with rig2(ok) as router, router.client() as client:
        put(router, masked=("token",), paused_until=int(time()) + 60)
        streams = [client.ask(get(f"/{number}?token=secret")) for number in range(3)]
        async with asyncio.timeout(5):
            while len(router.plane.held) < 3:
                await asyncio.sleep(0.005)
        put(router, masked=("token",))
        assert [(await client.answer(stream)).status for stream in streams] == [200] * 3
        await router.rig.logged('path="/2?token=[masked]"')
        assert "secret" not in "".join(router.rig.lines)
