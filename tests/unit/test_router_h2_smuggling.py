"""What a server behind the router takes for requests is what came over HTTP/2: attacks by downgrade, and chance."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import AsyncIterator
from random import Random
from typing import ClassVar
from unittest.mock import patch

import pytest
import pytest_asyncio
from h2_rig import Rig2, get, raw, rig2, settings
from hpack import Decoder, Encoder, HPACKError
from router_rig import Call
from smuggling.backends import NAMES, Backend, backend
from smuggling.downgrades import DOWNGRADES

from router.frames import PREFACE, Broken, Frame, Kind, Reader, unpadded
from router.h2 import Http2
from router.plane import Plane
from router.stage import Stage
from router.table import App, Dyno, State, Table
from tests.support.sampling import sampled

ROUNDS = int(os.environ.get("HOSTD_TEST_FUZZ", "800"))
BLOCKS = 4
_LINE = re.compile(r'method=(\S+) path="([^"]*)" .* request_id=(\S+) .* dyno=web\.1 .* status=200 ')


KINDS = [pytest.param(name, marks=pytest.mark.thorough if name != "aiohttp" else ()) for name in NAMES]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def behind(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Rig2, Backend]]:
    """A router in front of a real server."""
    async with backend(request.param) as server, rig2() as router:
        app = App("id-of-a", "a", ("a",), State.UP, (Dyno("web.1", "127.0.0.1", server.port),))
        router.plane.swap(Table(1, "localhost", (app,)))
        yield router, server


@pytest.mark.parametrize("name", sampled(DOWNGRADES))
@pytest.mark.asyncio(loop_scope="module")
async def test_the_server_takes_what_the_router_passed_on(behind, name):
    router, server = behind
    attack = DOWNGRADES[name]
    body = tuple(piece.replace("|", "\r\n").encode() for piece in attack.body)
    logged = len(router.rig.lines)
    async with router.client("a") as client:
        stream = client.ask(attack.fields, body, end=not attack.trailers)
        if attack.trailers:
            client.say(client.head(stream, attack.trailers))
        answer = await client.answer(stream)
        for number in range(2):
            identity = f"after-the-attack-{number:04}"
            after = await client.get("/after", ("x-request-id", identity), host="a")
            assert (after.status, after.body.decode()) == (200, identity)
    lines = router.rig.lines[logged:]
    taken = await server.taken()
    passed = [(found[3], found[1], found[2]) for line in lines if (found := _LINE.search(line))]
    assert [(each["id"], each["method"], each["target"]) for each in taken] == passed
    assert len(passed) in (2, 3)
    if len(passed) == 3:
        assert answer.status == 200
        assert passed[0][1:] == (dict(attack.fields)[":method"], dict(attack.fields)[":path"])
        assert base64.b64decode(taken[0]["body"]) == b"".join(body)
    else:
        assert "code=H26" in lines[0] or "No such app" in lines[0]


def test_the_corpus_is_worth_its_name():
    assert sum("smuggled" in repr(attack) for attack in DOWNGRADES.values()) > 100
    assert len(DOWNGRADES) > 150


# Chance

_ENCODER = Encoder()
_ENCODER.header_table_size = 0


def _head(*extra: tuple[str, str], **more: str) -> bytes:
    return _ENCODER.encode(get("/", *extra, host="a", **more))


def _seeds() -> list[list[bytes]]:
    asks = [raw(1, 5, number, _head(("x", "y"))) for number in (1, 3, 5, 7)]
    hello, end = raw(0, 0, 9, b"hello"), raw(0, 1, 9, b"end")
    post = [raw(1, 4, 9, _head(method="POST")), hello, raw(0, 8, 9, b"\x03abc..."), end]
    length = _head(("content-length", "10"), method="POST")
    long = [raw(1, 4, 11, length), raw(0, 0, 11, b"12345"), raw(0, 1, 11, b"67890")]
    last = _ENCODER.encode([("x", "y")])
    trailers = [raw(1, 4, 13, _head(method="PUT")), raw(0, 0, 13, b"body"), raw(1, 5, 13, last)]
    block = _head(("cookie", "a=b"), ("cookie", "c=d"))
    pieces = [raw(1, 1, 15, block[:9]), raw(9, 0, 15, block[9:20]), raw(9, 4, 15, block[20:])]
    switch = _ENCODER.encode([(":protocol", "websocket"), *get("/", host="a", method="CONNECT")])
    socket = [raw(1, 4, 19, switch), raw(0, 0, 19, b"POST /smuggled HTTP/1.1\r\n"), raw(0, 1, 19, b"\r\n")]
    rest = [raw(6, 0, 0, bytes(8)), settings(INITIAL_WINDOW_SIZE=1000), raw(8, 0, 0, b"\0\0\1\0")]
    rest += [raw(2, 0, 1, bytes(5)), raw(3, 0, 1, bytes(4)), raw(7, 0, 0, bytes(8)), raw(77, 1, 1, b"?")]
    return [asks, post, long, trailers, pieces, [*asks, *post, *long], [*post[:2], *long[:2], *post[2:], *long[2:]],
            [*trailers, *pieces, *rest], [*asks[:2], *rest, *post], socket, [*post, *socket, *asks[:1]]]  # fmt: skip


def stream(chance: Random) -> bytes:
    """What a client says that knows HTTP/2 from hearsay."""
    said = list(chance.choice(_seeds()))
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        at = chance.randrange(len(said))
        frame = bytearray(said[at])
        act = chance.randrange(8)
        if act == 0 and len(frame) > 9:
            frame[chance.randrange(9, len(frame))] = chance.randrange(256)
        elif act == 1:
            frame[3] = chance.randrange(11)
        elif act == 2:
            frame[4] ^= 1 << chance.randrange(8)
        elif act == 3:
            frame[8] = chance.choice((0, 1, 2, 3, 9, 11, 17))
        elif act == 4:
            frame[2] = (frame[2] + chance.choice((-1, 1, 9))) % 256
        elif act == 5:
            said.insert(at, said[chance.randrange(len(said))])
        elif act == 6:
            said.insert(chance.randrange(len(said)), chance.choice(chance.choice(_seeds())))
        elif len(said) > 1:
            del said[at]
            continue
        said[min(at, len(said) - 1)] = bytes(frame)
    return b"".join(said)


def requests(written: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Method, target and body of whatever could be a request in these frames, by a reader that minds nothing."""
    decoder = Decoder()
    heads: dict[int, dict[bytes, bytes]] = {}
    bodies: dict[int, bytes] = {}
    found = []
    block, flags = b"", 0
    try:
        reader = Reader()
        reader.feed(PREFACE + written)
        for frame in reader.frames():
            if frame.kind == Kind.DATA and frame.stream in heads:
                bodies[frame.stream] += unpadded(frame)
                if frame.flags & 1:
                    found.append((frame.stream, bodies[frame.stream]))
            elif frame.kind in (Kind.HEADERS, Kind.CONTINUATION):
                block = _fragment(frame) if frame.kind == Kind.HEADERS else block + frame.payload
                flags = frame.flags if frame.kind == Kind.HEADERS else flags
                if frame.flags & 4:
                    fields = dict(decoder.decode(block, raw=True))
                    heads.setdefault(frame.stream, fields)
                    bodies.setdefault(frame.stream, b"")
                    if b":protocol" in fields:
                        # What follows is no part of the request by which a dyno is asked to switch.
                        fields[b":method"] = b"GET"
                        found.append((frame.stream, b""))
                    if flags & 1:
                        found.append((frame.stream, bodies[frame.stream]))
    except (Broken, HPACKError, IndexError):
        pass
    return [(heads[each].get(b":method", b""), heads[each].get(b":path", b""), body) for each, body in found]


def _fragment(frame: Frame) -> bytes:
    data = unpadded(frame)
    return data[5:] if frame.flags & 32 else data


class Taking:
    """A dyno's requests, when it has all of them."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes, bytes]] = []

    async def __call__(self, call: Call) -> None:
        method, target, version = call.head.split(b"\r\n", 1)[0].split(b" ")
        assert version == b"HTTP/1.1"
        if call.headers("upgrade"):
            self.requests.append((method, target, b""))
            await call.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            await call.reader.read()
            raise ConnectionError("the tunnel is closed")
        try:
            body = await call.body()
        except ValueError as error:
            raise ConnectionError("the router broke off") from error
        self.requests.append((method, target, body))
        await call.answer(b"" if method == b"HEAD" else b"ok")


class Watched(asyncio.Protocol):
    """Stands before a connection and watches it until nothing more comes of what was sent."""

    made: ClassVar[list[Watched]] = []
    """Those of the client that is there."""

    def __init__(self, plane: Plane) -> None:
        self.arrived = 0
        self.made.append(self)
        # Not a kind of it, as what is compiled has none.
        self._watched = watched = Http2(plane)
        self.connection_made, self.connection_lost = watched.connection_made, watched.connection_lost
        self.pause_writing, self.resume_writing = watched.pause_writing, watched.resume_writing

    def data_received(self, data: bytes) -> None:
        self.arrived += len(data)
        self._watched.data_received(data)

    def settled(self, said: int) -> bool:
        """Whether all that can become of so many bytes has become of them."""
        here = self._watched.exchanges
        waits = any(exchange.received and exchange.stage is not Stage.TUNNEL for exchange in here)
        return self._watched._closing or (self.arrived >= said and not waits)


@pytest.mark.thorough
@pytest.mark.parametrize("block", range(BLOCKS))
async def test_streams_of_mutated_frames(block):
    taking = Taking()
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(str(context)))
    with patch("router.door.Http2", Watched):
        await _play(block, taking)
    assert said == []


async def _play(block: int, taking: Taking) -> None:
    async with rig2(taking) as router:
        app = App("id-of-a", "a", ("a",), State.UP, (router.rig.dynos[0].dyno,))
        router.plane.swap(Table(9, "localhost", (app,)))
        (backend_,) = [each for each in router.plane.backends.values() if each.live]
        for number in range(ROUNDS // BLOCKS):
            chance = Random(f"h2 {block}/{number}")
            written = stream(chance)
            taking.requests = []
            logged = len(router.rig.lines)
            Watched.made.clear()
            async with router.client("a") as client:
                assert Watched.made
                client.say(written)
                async with asyncio.timeout(20):
                    while not all(connection.settled(client.said) for connection in Watched.made):
                        await asyncio.sleep(0)
            async with asyncio.timeout(20):
                while router.plane.clients or backend_.in_flight:
                    await asyncio.sleep(0)
            possible = requests(written)
            for request in taking.requests:
                assert request in possible, (block, number, written)
            lines = router.rig.lines[logged:]
            answered = sum("status=200" in line and "dyno=web.1" in line for line in lines)
            assert answered <= len(taking.requests), (block, number, written)
            assert not any("H99" in line for line in lines), (block, number, written)


@pytest.mark.thorough
def test_chance_is_neither_too_kind_nor_too_cruel():
    made = [stream(Random(f"h2 0/{number}")) for number in range(300)]
    assert len(set(made)) > 200
    assert sum(bool(requests(each)) for each in made) > 100
