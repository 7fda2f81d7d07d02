"""The gate of an app: who gets in, who is asked, what the dyno sees, and how guessing is slowed."""

import asyncio
import base64
import threading
from dataclasses import replace
from ipaddress import ip_network

import pytest
from router_rig import KATE, PATIENT, Call, get, ok, rig

from router import faults, passwords
from router.doorman import Doorman, Guesses
from router.gate import Gate, credentials, neighbourhood, without_credentials
from router.table import App, State, Table, TableError

pytestmark = pytest.mark.usefixtures("cheap_hashes")

USERS = Gate({"kate": KATE})
ELSEWHERE, HERE = ip_network("192.0.2.0/24"), ip_network("127.0.0.0/8")


def basic(name: str, password: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}\r\n"


RIGHT, WRONG = basic("kate", "correct horse"), basic("kate", "battery staple")


def close(router, gate, state=State.UP):
    """Give the app of the rig this gate."""
    dynos = tuple(fake.dyno for fake in router.dynos)
    app = App("id-of-hello", "hello", ("hello.localhost",), state, dynos, gate=gate)
    router.plane.swap(Table(router.plane.table.sequence + 1, "localhost", (app,)))


@pytest.fixture
def counted(monkeypatch):
    """Counts how often a hash is made."""
    made = []

    def count(password, kept):
        made.append(password)
        return passwords.matches(password, kept)

    monkeypatch.setattr("router.doorman.matches", count)
    return made


async def test_a_name_and_a_password_let_in_and_are_checked_once(counted):
    async with rig(ok) as router, router.client() as client:
        close(router, USERS)
        asked = await client.get("/secret")
        assert (asked.status, asked.header("www-authenticate")) == (401, 'Basic realm="hello", charset="UTF-8"')
        assert "This app asks for a password" in asked.body.decode()
        assert 'at=info code=H41 desc="Unauthorized" cause="no password" ' in await router.logged("/secret")
        assert (await client.get("/wrong", WRONG)).status == 401
        assert (await client.get("/wrong", WRONG)).status == 401
        assert 'code=H41 desc="Unauthorized" cause="wrong name or password" ' in await router.logged("/wrong")
        for _ in range(3):
            assert (await client.get("/in", RIGHT)).status == 200
        assert counted == [b"battery staple", b"correct horse"]
        assert [call.line for call in router.dynos[0].calls] == ["GET /in HTTP/1.1"] * 3


async def test_the_dyno_gets_no_password_and_all_else():
    async with rig(ok) as router, router.client() as client:
        close(router, USERS)
        assert (await client.get(extra=f"A: authorization: x\r\n{RIGHT.replace('Auth', 'auTH')}B: c\r\n")).status == 200
        (call,) = router.dynos[0].calls
        assert (call.headers("authorization"), call.headers("a"), call.headers("b")) == (
            [], ["authorization: x"], ["c"]
        )  # fmt: skip
        close(router, Gate(networks=(HERE,)))
        assert (await client.get(extra="Authorization: Bearer token\r\n")).status == 200
        assert router.dynos[0].calls[-1].headers("authorization") == ["Bearer token"]


async def test_a_body_waits_for_the_password_to_be_checked():
    async def echo(call: Call) -> None:
        await call.answer(await call.body())

    async with rig(echo) as router, router.client() as client:
        close(router, USERS)
        body = b"x" * 300_000
        head = f"POST / HTTP/1.1\r\nHost: hello.localhost\r\n{RIGHT}Content-Length: {len(body)}\r\n\r\n".encode()
        assert (await client.ask(head + body)).body == body


async def test_networks_let_in_whoever_comes_from_there():
    async with rig(ok) as router, router.client() as client:
        close(router, Gate(networks=(ELSEWHERE,)))
        refused = await client.get("/out", "X-Forwarded-For: 192.0.2.7\r\n")
        assert (refused.status, b"not for everybody" in refused.body) == (403, True)
        assert 'at=info code=H43 desc="Address not allowed" ' in await router.logged("/out")
        close(router, Gate(networks=(ELSEWHERE, HERE)))
        assert (await client.get()).status == 200
        assert len(router.dynos[0].calls) == 1


async def test_with_users_and_networks_both_are_needed():
    async with rig(ok) as router, router.client() as client:
        close(router, Gate(USERS.users, (HERE,)))
        assert (await client.get()).status == 401
        assert (await client.get(extra=RIGHT)).status == 200
        close(router, Gate(USERS.users, (ELSEWHERE,)))
        assert (await client.get(extra=RIGHT)).status == 403


async def test_a_websocket_passes_the_gate_too():
    async def upgrade(call: Call) -> None:
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await call.send(await call.reader.read(4))

    ask = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    async with rig(upgrade) as router:
        close(router, USERS)
        async with router.client() as client:
            assert (await client.get(extra=ask)).status == 401
        async with router.client() as client:
            await client.send(get(extra=ask + RIGHT))
            assert b" 101 " in await client.head()
            await client.send(b"ping")
            assert await client.reader.readexactly(4) == b"ping"


@pytest.mark.parametrize("state", [State.STARTING, State.IDLE, State.CRASHED, State.NONE, State.MAINTENANCE])
async def test_nobody_learns_how_the_app_is_or_wakes_it(state):
    async with rig(ok) as router, router.client() as client:
        close(router, USERS, state)
        assert (await client.get()).status == 401
        assert not router.plane.held


async def test_a_request_that_is_held_meets_a_gate_that_comes_meanwhile():
    async with rig(ok) as router, router.client() as client:
        router.swap(state=State.STARTING)
        await client.send(get())
        async with asyncio.timeout(5):
            while not router.plane.held:
                await asyncio.sleep(0.005)
        close(router, USERS)
        assert (await client.answer()).status == 401


async def test_a_client_that_leaves_while_its_password_is_checked_is_forgotten(monkeypatch):
    left = threading.Event()
    monkeypatch.setattr("router.doorman.matches", lambda *_: left.wait(5))
    async with rig(ok) as router:
        close(router, USERS)
        async with router.client() as client:
            await client.send(get("/gone", RIGHT))
            async with asyncio.timeout(5):
                while not router.plane.doorman._lines:
                    await asyncio.sleep(0.005)
        assert "code=H27" in await router.logged("/gone")
        left.set()
        async with router.client() as client:
            assert (await client.get(extra=RIGHT)).status == 200
        assert len(router.dynos[0].calls) == 1


async def test_a_password_that_is_not_checked_in_time_is_refused(monkeypatch):
    loop, go = asyncio.get_running_loop(), asyncio.Event()
    monkeypatch.setattr("router.doorman.matches", lambda *_: asyncio.run_coroutine_threadsafe(go.wait(), loop).result())
    async with rig(ok, settings=replace(PATIENT, first_byte=0.1)) as router, router.client() as client:
        close(router, USERS)
        answer = await client.get("/late", RIGHT)
        assert (answer.status, answer.header("retry-after")) == (429, "60")
        assert "code=H42" in await router.logged("/late")
        go.set()


async def test_a_check_that_breaks_is_told_and_the_next_one_works(monkeypatch):
    async with rig(ok) as router, router.client() as client:
        close(router, USERS)
        with monkeypatch.context() as patch:
            patch.setattr("router.doorman.matches", lambda *_: 1 / 0)
            assert (await client.get("/broken", RIGHT)).status == 503
            await router.logged("ZeroDivisionError")
        assert (await client.get(extra=RIGHT)).status == 200


def value(line: str) -> bytes:
    """What a header line says."""
    return line.partition(": ")[2].strip().encode()


async def judged(doorman, gate, address, authorization):
    """What the doorman says in the end."""
    verdict = doorman.judge("hello", gate, address, [value(authorization)])
    if isinstance(verdict, asyncio.Task):
        await verdict
        verdict = doorman.judge("hello", gate, address, [value(authorization)])
    return verdict


@pytest.fixture
def instant(monkeypatch):
    """Passwords that are checked at once: the hash is the password."""
    monkeypatch.setattr("router.doorman.matches", lambda password, kept: password.decode() == kept)
    return Gate({"kate": "right"})


async def test_guessing_is_slowed_but_not_for_those_who_know(instant):
    now = [100.0]
    doorman = Doorman(asyncio.get_running_loop(), Guesses(clock=lambda: now[0]))
    assert await judged(doorman, instant, "192.0.2.1", basic("kate", "right")) is None
    for number in range(10):
        assert (await judged(doorman, instant, "192.0.2.1", basic("kate", str(number)))).code == "H41"
    assert await judged(doorman, instant, "192.0.2.1", basic("kate", "x")) is faults.H42
    assert await judged(doorman, instant, "192.0.2.1", basic("kate", "right")) is None
    assert (await judged(doorman, instant, "192.0.2.1", basic("kate", "3"))).code == "H41"
    assert (await judged(doorman, instant, "192.0.2.2", basic("kate", "x"))).code == "H41"
    now[0] += Guesses.SECONDS
    assert (await judged(doorman, instant, "192.0.2.1", basic("kate", "y"))).code == "H41"
    assert await judged(doorman, instant, "192.0.2.1", basic("kate", "z")) is faults.H42


async def test_who_guesses_right_has_not_guessed(instant):
    doorman = Doorman(asyncio.get_running_loop(), Guesses(clock=lambda: 1.0))
    for number in range(50):
        gate = Gate({"kate": str(number)})
        assert await judged(doorman, gate, "192.0.2.1", basic("kate", str(number))) is None


async def test_a_new_password_counts_at_once_and_the_old_one_no_more(instant):
    doorman = Doorman(asyncio.get_running_loop())
    assert await judged(doorman, instant, "192.0.2.1", basic("kate", "right")) is None
    assert (await judged(doorman, Gate({"kate": "new"}), "192.0.2.1", basic("kate", "right"))).code == "H41"
    assert await judged(doorman, Gate({"kate": "new"}), "192.0.2.1", basic("kate", "new")) is None
    assert (await judged(doorman, Gate({"ann": "new"}), "192.0.2.1", basic("kate", "new"))).code == "H41"


async def test_an_unknown_name_takes_as_long_and_never_fits(counted):
    doorman = Doorman(asyncio.get_running_loop())
    assert (await judged(doorman, USERS, "192.0.2.1", basic("nobody", ""))).code == "H41"
    assert counted == [b""]


async def test_only_so_many_wait_and_one_password_is_checked_once(monkeypatch):
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("router.doorman.matches", lambda *_: asyncio.run_coroutine_threadsafe(go.wait(), loop).result())
    doorman = Doorman(loop)

    def ask(number, password):
        return doorman.judge("hello", USERS, f"192.0.2.{number}", [value(basic("kate", password))])

    first = ask(1, "0")
    assert ask(1, "0") is ask(2, "0") is first
    waiting = [first, *(ask(number, str(number)) for number in range(1, 32))]
    assert ask(99, "more") is faults.H42
    go.set()
    await asyncio.gather(*waiting)
    assert doorman._lines == {}


async def test_who_guesses_at_one_app_does_not_shut_the_gate_of_another(monkeypatch):
    loop, go, checked = asyncio.get_running_loop(), asyncio.Event(), []

    def check(password, kept):
        checked.append(password)
        return asyncio.run_coroutine_threadsafe(go.wait(), loop).result()

    monkeypatch.setattr("router.doorman.matches", check)
    doorman = Doorman(loop)

    def ask(app, number):
        name_and_password = value(basic("kate", f"{app}{number}"))
        return doorman.judge(app, USERS, f"192.0.2.{number}", [name_and_password])

    waiting = [ask("attacked", number) for number in range(32)]
    assert ask("attacked", 32) is faults.H42
    waiting += [ask("other", 0), ask("other", 1)]
    go.set()
    await asyncio.gather(*waiting)
    assert [number for number, password in enumerate(checked) if password.startswith(b"other")] == [1, 3]
    assert doorman._lines == {}


def test_all_workers_count_together_and_a_restart_forgives_nothing(tmp_path):
    now = [1.0]
    one, other = (Guesses(tmp_path / "guesses", clock=lambda: now[0]) for _ in range(2))
    assert [(one, other)[turn % 2].take("192.0.2.1") for turn in range(12)] == [True] * 10 + [False] * 2
    again = Guesses(tmp_path / "guesses", clock=lambda: now[0])
    assert not again.take("192.0.2.1") and again.take("192.0.2.2")
    one.give_back("192.0.2.1")
    assert again.take("192.0.2.1") and not other.take("192.0.2.1")
    now[0] += Guesses.SECONDS
    assert other.take("192.0.2.1")
    assert (tmp_path / "guesses").stat().st_mode & 0o077 == 0


def test_who_shares_a_place_with_whom_is_known_only_to_who_may_read_the_file(tmp_path):
    def places(guesses):
        return [guesses._place(f"192.0.2.{number}") for number in range(10)]

    one, same, other = (Guesses(tmp_path / name) for name in ("one", "one", "other"))
    assert places(one) == places(same) != places(other)
    for number in range(10):
        assert one.take(f"192.0.2.{number}")
    assert places(Guesses(tmp_path / "one")) == places(one)


def test_a_file_of_guesses_that_says_nonsense_locks_nobody_out_for_ever(tmp_path):
    now = [1.0]
    (tmp_path / "guesses").write_bytes(b"\xff" * 8 * Guesses.PLACES)
    guesses = Guesses(tmp_path / "guesses", clock=lambda: now[0])
    assert not guesses.take("192.0.2.1")
    now[0] += Guesses.SECONDS
    assert guesses.take("192.0.2.1")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([b"Basic a2F0ZTpzZWNyZXQ="], ("kate", b"secret")),
        ([b"bAsIc   a2F0ZTpzZWNyZXQ="], ("kate", b"secret")),
        ([b"Basic a2F0ZTphOmI="], ("kate", b"a:b")),
        ([b"Basic a2F0ZTo="], ("kate", b"")),
        ([], None),
        ([b"Basic a2F0ZTpzZWNyZXQ=", b"Basic a2F0ZTpzZWNyZXQ="], None),
        ([b"Bearer a2F0ZTpzZWNyZXQ="], None),
        ([b"Basic"], None),
        ([b"Basic !!!"], None),
        ([b"Basic a2F0ZQ=="], None),
        ([b"Basic /zp4"], None),
    ],
)
def test_credentials_are_read_strictly(values, found):
    assert credentials(values) == found


def test_only_the_line_of_that_name_is_taken_out():
    wire = b"GET / HTTP/1.1\r\nAuthorization: x\r\nAuthorization-Info: y\r\nX: authorization: z\r\n\r\n"
    assert without_credentials(wire) == wire.replace(b"Authorization: x\r\n", b"")


def test_addresses():
    gate = Gate(networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))
    assert [gate.admits(text) for text in ("192.0.2.255", "2001:db8:1::1", "192.0.3.1", "::1", "unknown", "")] == [
        True, True, False, False, False, False
    ]  # fmt: skip
    assert Gate(networks=(ip_network("fe80::/10"),)).admits("fe80::1%eth0")
    assert neighbourhood("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert neighbourhood("192.0.2.1") == "192.0.2.1"


def test_a_gate_is_in_the_table_and_no_hash_in_what_is_said_of_it():
    gate = Gate({"kate": KATE}, (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))
    app = App("id", "hello", ("hello.localhost",), State.UP, gate=gate)
    table = Table(1, "localhost", (app,))
    assert Table.parse(table.to_json()) == table
    assert KATE not in repr(app)
    assert "gate" not in Table(1, "localhost", (replace(app, gate=None),)).to_json()
    text = table.to_json()
    nobody = text.replace(f'{{"kate":"{KATE}"}}', "{}").replace('["10.0.0.0/8","2001:db8::/32"]', "[]")
    for wrong, message in (
        (text.replace('"kate"', '"ka:te"'), "user at the gate of app hello"),
        (text.replace(KATE, KATE[:-1]), "password at the gate of app hello is not kept"),
        (text.replace("10.0.0.0/8", "10.0.0.1/8"), "networks at the gate of app hello"),
        (nobody, "let everybody in"),
    ):
        with pytest.raises(TableError, match=message) as error:
            Table.parse(wrong)
        assert KATE[:-1] not in str(error.value)
