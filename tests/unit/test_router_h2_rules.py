"""Every rule of the table of HTTP/2, played over TLS and in clear text; and the parts that are pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from itertools import islice

import httptools
import pytest
import pytest_asyncio
from h2_cases import ABUSES, ROWS, Abuse, Row
from h2_rig import Rig2, rig2
from hyperframe.frame import Frame as Judge
from hypothesis import given
from hypothesis import strategies as st
from router_rig import Call

from router import frames
from router.frames import Broken, Frame, Kind, Reader
from router.patience import Patience
from router.pseudo import METHODS
from router.settings import Settings
from tests.support.sampling import sampled

_OURS = re.compile(
    rb"X-Request-ID: [^\r]+\r\nX-Request-Start: \d{13}\r\nX-Forwarded-For: 127\.0\.0\.1\r\n"
    rb"X-Forwarded-Proto: (https?)\r\nX-Forwarded-Port: (\d+)\r\nVia: 2\.0 hostd-router\r\n\r\n$"
)


class Taking:
    """A dyno that notes what it was sent, when it has all of it."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.came_by: set[tuple[bytes, bytes]] = set()
        """By which protocol, and to which port."""

    async def __call__(self, call: Call) -> None:
        body = b""
        if call.headers("transfer-encoding"):
            while not body.endswith(b"\r\n\r\n") or b"\r\n0\r\n" not in b"\r\n" + body:
                body += await call.reader.readuntil(b"\r\n")
        elif call.headers("content-length"):
            body = await call.body()
        ours = _OURS.search(call.head)
        assert ours, call.head
        self.came_by.add((ours[1], ours[2]))
        self.requests.append(_OURS.sub(b"\r\n", call.head) + body)
        await call.answer(b"" if call.line.startswith("HEAD") else b"ok")


WAYS = ["https", pytest.param("http", marks=pytest.mark.thorough)]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WAYS)
async def behind(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Rig2, Taking]]:
    taking = Taking()
    async with rig2(taking, settings=Settings(), protocol=request.param) as made:
        yield made, taking


@pytest.mark.parametrize("row", sampled(ROWS), ids=lambda row: f"{row.rule}: {row.what}")
@pytest.mark.asyncio(loop_scope="module")
async def test_rule(behind, row: Row):
    router, taking = behind
    taking.requests = []
    logged = len(router.rig.lines)
    async with router.client() as client:
        stream = client.ask(row.fields, row.body or (), end=row.trailers is None)
        if row.trailers is not None:
            client.say(client.head(stream, row.trailers))
        answer = await client.answer(stream)
        assert answer.status == row.status, answer
        assert answer.ended
        # Whatever that one was, the connection serves the next.
        assert (await client.get("/next", host="nobody")).status == 404
    lines = router.rig.lines[logged:]
    assert row.log in lines[0], lines
    assert lines[0].endswith(f"protocol={router.protocol}")
    assert len(lines) == 2
    assert taking.requests == ([row.took.replace(b"|", b"\r\n")] if row.took else [])
    assert taking.came_by <= {(router.protocol.encode(), str(router.port).encode())}
    assert router.plane.backends[("127.0.0.1", router.rig.dynos[0].port, "id-of-hello")].in_flight == 0


@pytest.mark.parametrize("abuse", ABUSES, ids=lambda abuse: f"{abuse.rule}: {abuse.what}")
@pytest.mark.asyncio(loop_scope="module")
async def test_abuse(behind, abuse: Abuse):
    router, _ = behind
    logged = len(router.rig.lines)
    async with router.client() as client:
        client.say(*abuse.frames)
        assert await client.ended() == abuse.code
    lines = router.rig.lines[logged:]
    assert sum("code=H26" in line and " method=- " in line for line in lines) == 1, lines
    assert router.plane.backends[("127.0.0.1", router.rig.dynos[0].port, "id-of-hello")].in_flight == 0


@pytest.mark.parametrize("first", [
    frames.PREFACE + frames.write(Kind.PING, 0, 0, bytes(8)), frames.PREFACE + frames.write(Kind.SETTINGS, 1, 0),
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
])  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_who_does_not_begin_as_clients_do_is_sent_away(behind, first):
    if behind[0].protocol == "http" and not first.startswith(frames.PREFACE):
        pytest.skip("HTTP/1.1 judges that: test_router_h2c.py")
    async with behind[0].client(greeted=False) as client:
        client.say(first)
        assert await client.ended() == frames.Error.PROTOCOL_ERROR


def test_no_rule_is_there_twice():
    names = Counter((case.rule, case.what) for case in (*ROWS, *ABUSES))
    assert [name for name, count in names.items() if count > 1] == []


# Parts


class _Deaf:
    """What a parser can call."""


def _known(method: bytes) -> bool:
    parser = httptools.HttpRequestParser(_Deaf())
    try:
        parser.feed_data(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return False
    return True


def test_methods_are_those_of_http_1():
    assert [method for method in METHODS if not _known(method)] == []
    others = (b"BREW", b"PRI", b"get", b"DESCRIBE", b"ANNOUNCE", b"SETUP", b"PLAY", b"RECORD", b"FLUSH")
    assert [method for method in others if method in METHODS] == []


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(max_size=99))),
       st.integers(1, 50))  # fmt: skip
def test_frames_come_in_whatever_pieces(made, size):
    written = frames.PREFACE + b"".join(frames.write(kind, flags, stream, body) for kind, flags, stream, body in made)
    reader = Reader()
    found = []
    for at in range(0, len(written), size):
        reader.feed(written[at : at + size])
        # Some are left for the next time, as when others have their turn.
        found += islice(reader.frames(), 1)
    assert found + list(reader.frames()) == [Frame(*each) for each in made]
    assert not reader.behind


@given(st.binary(max_size=40_000), st.integers(1, 2**31 - 1), st.booleans())
def test_a_long_head_is_several_frames(block, stream, end):
    written, pieces, kinds = frames.head(stream, block, end=end), [], []
    while written:
        frame, length = Judge.parse_frame_header(memoryview(written[:9]))
        frame.parse_body(memoryview(written[9 : 9 + length]))
        pieces.append(frame.data)
        kinds.append((frame.type, sorted(frame.flags)))
        written = written[9 + length :]
    assert b"".join(pieces) == block
    assert ("END_STREAM" in kinds[0][1]) is end
    assert ["END_HEADERS" in flags for _, flags in kinds] == [False] * (len(kinds) - 1) + [True]
    assert [kind for kind, _ in kinds] == [1] + [9] * (len(kinds) - 1)


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x05abcd"])
def test_padding_has_to_fit(payload):
    with pytest.raises(Broken):
        frames.unpadded(Frame(Kind.DATA, 8, 1, payload))
    assert frames.unpadded(Frame(Kind.DATA, 8, 1, b"\x02abcd")) == b"ab"


def test_patience_comes_back_with_time_and_with_work():
    patience = Patience(100, 10.0, 0.0)
    patience.spend(101)
    assert patience.over
    patience.rest(1.0)
    assert not patience.over
    patience.spend(20)
    assert patience.over
    patience.earn(12 * 256)
    assert not patience.over
    patience.rest(1000.0)
    patience.spend(100)
    assert not patience.over
    patience.spend(1)
    assert patience.over
