"""The small parts: log lines, pages, the journal's datagrams, the control socket, sockets from systemd."""

import asyncio
import io
import json
import re
import socket
from pathlib import Path

import aiohttp
import pytest
from router_rig import Rig, ok, rig

from router import faults, service
from router.answers import read_answer
from router.control import Control
from router.fields import Refused
from router.heads import Origin, RequestHead, read_request
from router.journal import Journal, socket_path
from router.logline import bare, quoted, request_line
from router.pages import render
from router.table import PLATFORM, State, Table
from router.worker import parse_arguments

HEAD = RequestHead.improper(b"GET", b"/", [(b"Host", b"hello.localhost")], Origin("1.2.3.4", "http", 80))
HEAD.request_id = "r"
REQUEST = {
    "dyno": "web.1",
    "connect": 0.0012,
    "service": 0.018,
    "status": 200,
    "sent": 975,
    "protocol": "http",
}


def test_the_log_line_is_herokus():
    assert request_line(HEAD, fault=None, **REQUEST) == (
        'at=info method=GET path="/" host=hello.localhost request_id=r fwd="1.2.3.4" dyno=web.1 '
        "connect=1ms service=18ms status=200 bytes=975 protocol=http"
    )
    late = REQUEST | {"service": 30.0014, "status": 503, "sent": 0}
    assert request_line(HEAD, fault=faults.H12, **late) == (
        'at=error code=H12 desc="Request timeout" method=GET path="/" host=hello.localhost request_id=r '
        'fwd="1.2.3.4" dyno=web.1 connect=1ms service=30001ms status=503 bytes=0 protocol=http'
    )


def test_text_in_log_lines_is_harmless():
    assert quoted('a"b\\c\r\n\x00\x7fé€😀') == 'a\\"b\\\\c\\x0d\\x0a\\x00\\x7f\\xe9\\u20ac\\U0001f600'
    assert bare("a b=c") == "a\\x20b\\x3dc"


PAGES = [value for value in vars(faults).values() if isinstance(value, faults.Fault) and value.title]


@pytest.mark.parametrize("fault", PAGES, ids=lambda fault: fault.desc)
def test_every_page_is_small_and_says_what_to_do(fault):
    kind, body = render(fault, accept=b"text/html,application/json", request_id="<r>")
    assert kind.startswith("text/html")
    assert len(body) < 1500
    assert b"<r>" not in body
    assert b'lang="en"' in body
    kind, body = render(fault, accept=b"application/json, */*", request_id="r")
    assert json.loads(body)["message"].endswith((".", "tail", "hostd", "=1"))


def test_heads_are_written_anew():
    origin = Origin("1.2.3.4", "https", 443)
    fields = [(b"hOsT", b"a"), (b"X-Request-ID", b"short"), (b"x_request-id", b"forged"), (b"A", b"b ")]
    head = read_request(b"GET", b"/", "1.1", fields, origin=origin, now_ms=1)
    assert head.wire.startswith(b"GET / HTTP/1.1\r\nHost: a\r\nA: b \r\nX-Request-ID: ")
    assert head.wire.endswith(
        b"X-Request-Start: 1\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Port: 443\r\nVia: 1.1 hostd-router\r\n\r\n"
    )
    assert (len(head.request_id), head.replayable, head.keep_alive) == (32, True, True)
    with pytest.raises(Refused):
        read_answer(
            200,
            b"OK",
            "1.1",
            [(b"Transfer-Encoding", b"gzip")],
            head_only=False,
            old_client=False,
            keep_client=True,
        )


@pytest.mark.parametrize(
    "given", [b"a" * 19, b"a" * 201, b"a" * 20 + b"_", b"a" * 20 + b" a", b"a" * 20 + b'"', b"a" * 20 + b"\xe9", b""]
)
def test_a_request_id_that_could_do_harm_is_replaced(given):
    fields = [(b"Host", b"a"), (b"X-Request-ID", given)]
    head = read_request(b"GET", b"/", "1.1", fields, origin=Origin("1.2.3.4", "http", 80), now_ms=1)
    assert re.fullmatch("[0-9a-f]{32}", head.request_id)
    assert b"X-Request-ID: %b\r\n" % given not in head.wire


async def receive(receiver: socket.socket) -> bytes:
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(receiver, 2**20)


def platform_socket(folder: Path) -> Path:
    """The socket of what is of no app; those of apps lie beside its folder."""
    return folder / "journal.x" / "socket"


def receiver(path: Path) -> socket.socket:
    path.parent.mkdir(exist_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.bind(str(path))
    return made


async def test_lines_reach_the_journal_in_batches(tmp_path):
    with receiver(tmp_path / "journal.x-app-1" / "socket") as journald, receiver(platform_socket(tmp_path)) as platform:
        journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), delay=0.005)
        journal.request("app-1", "one")
        journal.request("", "of no app")
        journal.request("app-1", "two")
        common = b"HOSTD_SOURCE=heroku\nHOSTD_PROCESS=router\nSYSLOG_IDENTIFIER=hostd-router\nPRIORITY=6\nMESSAGE="
        mine = b"HOSTD_APP=app-1\n" + common
        assert await receive(journald) == mine + b"one\n\n" + mine + b"two\n"
        assert await receive(platform) == common + b"of no app\n"
        for _ in range(64):
            journal.request("app-1", "x")
        assert (await receive(journald)).count(b"MESSAGE=x\n") == 64
        journal.request("app-1", "last")
        journal.close()
        assert b"last" in await receive(journald)


async def test_lines_wait_for_the_journal_and_losses_are_told(tmp_path):
    with receiver(tmp_path / "journal.x-app-1" / "socket") as journald:
        journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), delay=0.005, room=200_000)
        for _ in range(20_000):
            journal.request("app-1", "y" * 100)
        journal.flush()
        assert journal.lost > 0
        got = 0
        while True:
            datagram = await receive(journald)
            got += datagram.count(b"MESSAGE=y")
            if b"L13" in datagram:
                break
        assert got + journal.lost == 20_000
        assert datagram.startswith(b"HOSTD_APP=app-1\nHOSTD_SOURCE=heroku\nHOSTD_PROCESS=logplex\n")
        said = f"MESSAGE=Error L13 (Local delivery error) -> {journal.lost} messages of the router were lost since 20"
        assert said.encode() in datagram
        journal.close()


async def test_lines_wait_for_the_journal_of_an_app_that_is_not_there_yet(tmp_path):
    journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), delay=0.005)
    journal.request("app-1", "one")
    journal.flush()
    with receiver(tmp_path / "journal.x-app-1" / "socket") as journald:
        assert (await receive(journald)).endswith(b"MESSAGE=one\n")
    journal.close()
    assert journal.lost == 0


async def test_one_app_whose_journal_hangs_holds_up_no_other(tmp_path):
    with (
        receiver(tmp_path / "journal.x-app-1" / "socket"),
        receiver(tmp_path / "journal.x-app-2" / "socket") as journald,
    ):
        journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), delay=0.005)
        for _ in range(50_000):
            journal.request("app-1", "y" * 100)
        assert journal.lost > 0
        journal.request("app-2", "mine")
        assert (await receive(journald)).endswith(b"MESSAGE=mine\n")
        journal.close()


async def test_what_waits_for_an_app_goes_with_it(tmp_path):
    journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), delay=0.005)
    journal.request("app-1", "one")
    journal.flush()
    journal.request("app-1", "two")
    journal.forget({""})
    with receiver(tmp_path / "journal.x-app-1" / "socket") as journald:
        journal.flush()
        journal.request("app-1", "three")
        assert (await receive(journald)).count(b"MESSAGE=") == 1
    journal.close()


async def test_the_platforms_own_requests_are_logged_as_those_of_no_app(tmp_path):
    journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), delay=0.005)
    with receiver(platform_socket(tmp_path)) as journald:
        journal.request(PLATFORM, "one")
        journal.request("", "two")
        journal.flush()
        said = await receive(journald)
        assert b"MESSAGE=one\n" in said and b"MESSAGE=two\n" in said and b"HOSTD_APP" not in said
    journal.forget({"", PLATFORM})
    journal.close()


async def test_a_socket_for_each_of_very_many_apps_is_too_many(tmp_path):
    journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), delay=0.005)
    for number in range(600):
        journal.request(f"app-{number}", "x")
    journal.flush()
    assert len(journal._open) == 512
    journal.close()
    assert not journal._open


async def test_without_a_journal_lines_go_to_standard_error(tmp_path):
    out = io.BytesIO()
    journal = Journal(platform_socket(tmp_path), asyncio.get_running_loop(), fallback=out)
    journal.request("", "one")
    journal.say("two")
    journal.close()
    assert out.getvalue() == b"one\ntwo\n"
    journal = Journal(None, asyncio.get_running_loop(), fallback=out)
    for app_id, line in (("app-1", "three"), ("app-2", "four"), ("app-1", "five")):
        journal.request(app_id, line)
    journal.forget({"", "app-1"})
    journal.close()
    assert out.getvalue() == b"one\ntwo\nthree\nfour\nfive\n"
    assert str(socket_path("hostd")) == "/run/systemd/journal.hostd/socket"


class Caller:
    def __init__(self, router: Rig, path: Path) -> None:
        self.router = router
        self.path = path

    async def call(self, verb: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
        data = body if isinstance(body, str) else json.dumps(body)
        connector = aiohttp.UnixConnector(str(self.path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(verb, f"http://router{path}", data=data) as answer,
        ):
            return answer.status, json.loads(await answer.text())


async def test_the_control_socket(tmp_path):
    async with rig(ok) as router:
        control = Control(router.plane, 3)
        path = tmp_path / "3.sock"
        path.touch()
        await control.listen(path)
        assert path.stat().st_mode & 0o777 == 0o660
        caller = Caller(router, path)
        table = router.plane.table
        status, answer = await caller.call("PUT", "/routes", Table(9, "localhost", table.apps).to_json())
        assert (status, answer) == (200, {"sequence": 9})
        assert (await caller.call("PUT", "/routes", Table(8).to_json()))[0] == 409
        assert (await caller.call("PUT", "/routes", "{"))[0] == 422
        assert (await caller.call("PUT", "/routes?force=1", Table(8, "localhost", table.apps).to_json()))[0] == 200
        assert (await caller.call("GET", "/routes"))[1]["sequence"] == 8
        async with router.client() as client:
            await client.get()
            status, answer = await caller.call("GET", "/status")
            assert (answer["worker"], answer["requests"], answer["connections"]) == (3, 1, 1)
            metrics = (await caller.call("GET", "/metrics"))[1]
            assert metrics["statuses"] == {"200": 1}
            assert metrics["dynos"][0]["idle_connections"] == 1
        spot = f"127.0.0.1:{router.dynos[0].port}"
        assert await caller.call("POST", "/drain", {"dynos": [spot], "timeout": 1}) == (200, {"left": 0, "tunnels": 0})
        for bad in ({"dynos": "x"}, {"dynos": [], "timeout": -1}, []):
            assert (await caller.call("POST", "/drain", bad))[0] == 422
        await control.close()
        assert not path.exists()


def test_arguments():
    short = parse_arguments(["2"])
    assert (str(short.control), short.journal_namespace, short.worker) == ("/run/hostd/router/2.sock", "hostd", 2)
    long = parse_arguments(["--worker", "1", "--control", "/c", "--routes", "/r", "--listen", "[::1]:80"])
    assert (long.worker, long.listen, long.journal_namespace) == (1, (("::1", 80),), None)
    with pytest.raises(SystemExit):
        parse_arguments(["--listen", "80"])


def test_sockets_of_another_process_are_left_alone():
    assert service.inherited({"LISTEN_PID": "1", "LISTEN_FDS": "2"}, 2) == service.Sockets()


def test_systemd_is_told(tmp_path):
    with receiver(tmp_path / "notify") as systemd:
        service.notify({"NOTIFY_SOCKET": str(tmp_path / "notify")}, "READY=1", "STATUS=x")
        assert systemd.recv(100) == b"READY=1\nSTATUS=x"
    service.notify({}, "READY=1")
    assert (service.pulse({"WATCHDOG_USEC": "30000000"}), service.pulse({})) == (15.0, None)


def test_states_have_the_words_of_the_table():
    assert {state.value for state in State} == {"up", "starting", "crashed", "idle", "none", "maintenance"}
