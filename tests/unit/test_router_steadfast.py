"""What holds whatever else goes on in a worker: gates while a table changes, deadlines while one of them fails, rules
for requests that have waited, and the end of whoever does not read."""

import asyncio
import socket
import struct
from time import monotonic

import pytest
from router_rig import KATE, QUICK, get, ok, rig

from router.fields import Refused
from router.gate import Gate
from router.heads import Origin, read_request
from router.judging import check_protocol
from router.side import gone
from router.table import App, Dyno, State, Table

HOST = "hello.localhost"
DYNOS = (Dyno("web.1", "127.0.0.1", 1),)


async def test_a_host_that_another_app_gets_is_never_without_a_gate():
    async with rig() as router:
        gates = Gate({"kate": KATE}), Gate({"john": KATE})
        before = App("a", "a", (HOST,), State.UP, DYNOS, gate=gates[0])
        router.plane.swap(Table(1, "localhost", (before,)))
        after = App("a", "a", ("other.localhost",), State.UP, DYNOS), App("b", "b", (HOST,), State.UP, gate=gates[1])
        seen = [router.plane.find(HOST).app.gate for _ in router.plane._swap(Table(2, "localhost", after))]
        assert set(map(id, seen)) == set(map(id, gates))
        assert seen[-1] is gates[1]


async def test_a_fault_at_one_deadline_leaves_all_others():
    class Connection:
        def __init__(self, fault):
            self.checked, self.aborted, self.transport, self.fault = 0, False, self, fault

        def check(self, now):
            self.checked += 1
            if self.fault:
                raise KeyError("no such thing")

        def abort(self):
            self.aborted = True

    async with rig() as router:
        connections = [Connection(False), Connection(True), Connection(False)]
        router.plane.clients.update(connections)
        router.plane.sweep(monotonic())
        router.plane.clients.clear()
        assert [each.checked for each in connections] == [1, 1, 1]
        assert [each.aborted for each in connections] == [False, True, False]
        assert "KeyError('no such thing')" in await router.logged("H99 at a deadline")


async def test_a_request_that_was_held_goes_by_the_rules_that_have_come_meanwhile():
    async with rig() as router, router.client() as client:
        dyno = await router.dyno(ok)
        router.plane.https_port = 443
        router.swap(state=State.STARTING)
        await client.send(get("/held"))
        async with asyncio.timeout(5):
            while not router.plane.held:
                await asyncio.sleep(0.005)
        app = App("id-of-hello", "hello", (HOST,), State.UP, (dyno.dyno,), https_only=True)
        router.plane.swap(Table(2, "localhost", (app,)))
        answer = await client.answer()
        assert (answer.status, answer.header("location")) == (301, "https://hello.localhost/held")
        assert dyno.calls == []


async def test_whoever_reads_nothing_of_a_websocket_that_is_over_is_let_go():
    async def floods(call):
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        async with asyncio.timeout(5):
            while router.plane.clients and not next(iter(router.plane.clients)).write_paused:
                call.writer.write(bytes(1 << 16))
                await asyncio.sleep(0.002)
        call.writer.transport.abort()

    async with rig(floods, settings=QUICK) as router, router.client() as client:
        client.writer.transport.pause_reading()
        await client.send(get(extra="Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        await router.logged("status=101")
        async with asyncio.timeout(5):
            while router.plane.clients:
                await asyncio.sleep(0.01)


class Line(asyncio.Transport):
    """A connection, and what is asked of its socket."""

    def __init__(self, real):
        super().__init__()
        self.real, self.asked = real, []

    def get_extra_info(self, name, default=None):
        return self if name == "socket" else self.real.get_extra_info(name, default)

    def setsockopt(self, level, option, value):
        self.asked.append((level, option, value))

    def write(self, data):
        self.real.write(data)

    def is_closing(self):
        return self.real.is_closing()


@pytest.mark.parametrize(("pieces", "times"), [((b"ok",), 0), ((b"", b"o", b"k"), 1)])
async def test_the_first_of_several_pieces_of_an_answer_is_acknowledged_at_once(pieces, times):
    """Else a dyno whose kernel waits for that keeps the rest back for 40 ms."""

    async def sends(call):
        first, *others = pieces
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + first)
        for piece in others:
            await asyncio.sleep(0.02)
            await call.send(piece)

    async with rig(sends) as router, router.client() as client:
        await client.get()
        upstream = router.plane.find(HOST).load.ready[0].idle[0]
        upstream.transport = line = Line(upstream.transport)
        assert (await client.get()).body == b"ok"
        upstream.transport = line.real
    assert line.asked == [(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)] * times


@pytest.mark.parametrize("digits", [20, 5000])
def test_a_length_of_so_many_digits_is_refused(digits):
    fields = [(b"Host", HOST.encode()), (b"content-length", b"9" * digits)]
    with pytest.raises(Refused, match="too large"):
        read_request(b"POST", b"/", "1.1", fields, origin=Origin("192.0.2.1", "https", 443), now_ms=1)


@pytest.mark.parametrize("line", [b"GET /a.* HTTP/1.1\r\n", b"GET   /a.*   HTTP/1.0\r\n"])
def test_http_is_told_from_what_looks_like_it(line):
    check_protocol(b"/a.*", line)
    with pytest.raises(Refused, match="not HTTP"):
        check_protocol(b"/a.*", line.replace(b"HTTP", b"RTSP"))
    with pytest.raises(Refused, match="not HTTP"):
        check_protocol(b"/a.*", line + line.replace(b"HTTP", b"ICE") + line)


@pytest.mark.parametrize("descriptor", [None, -1])
def test_a_tls_connection_that_was_lost_in_this_round_is_gone(descriptor):
    class Lost:
        def is_closing(self):
            return False

        def get_extra_info(self, _):
            return None if descriptor is None else self

        def fileno(self):
            return descriptor

    assert gone(Lost())


async def test_no_connection_to_a_dyno_is_made_for_a_client_that_has_gone():
    async with rig(ok) as router:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", router.port)) as line:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                line.sendall(get())
        async with asyncio.timeout(10):
            while sum("code=H27" in line for line in router.lines) < 20:
                await asyncio.sleep(0.01)
        assert router.dynos[0].connections == 0
        async with router.client() as client:
            assert (await client.get()).status == 200
