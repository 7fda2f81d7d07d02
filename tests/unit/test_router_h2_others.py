"""Other people's clients of HTTP/2: the library h2, which judges every frame of ours, and curl; and a whole worker."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2_rig import get, rig2, trusting
from router_rig import Call, ok
from test_router_worker import certificate, installed

from router.settings import Settings

__all__ = ["installed"]


class Friend:
    """A client that leaves HTTP/2 to h2."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._unsent: dict[int, bytes] = {}
        self.bodies: dict[int, bytes] = {}
        self.heads: dict[int, dict[str, str]] = {}
        self.trailers: dict[int, dict[str, str]] = {}
        self.ended: set[int] = set()
        self.farewells: list[int] = []
        self._protocol.initiate_connection()
        self._flush()

    def ask(self, fields, body: bytes = b"") -> int:
        """Begin a request."""
        stream = self._protocol.get_next_available_stream_id()
        self._protocol.send_headers(stream, fields, end_stream=not body)
        self.bodies[stream] = b""
        if body:
            self._unsent[stream] = body
        self._flush()
        return stream

    async def answered(self, *streams: int) -> None:
        """Go on until these are answered."""
        async with asyncio.timeout(20):
            while not self.ended >= set(streams):
                data = await self._reader.read(65536)
                assert data, "the router has hung up"
                for event in self._protocol.receive_data(data):
                    self._take(event)
                self._flush()

    async def went_away(self) -> None:
        """Go on until the router has said goodbye and closed."""
        async with asyncio.timeout(20):
            while data := await self._reader.read(65536):
                for event in self._protocol.receive_data(data):
                    self._take(event)

    def _take(self, event: object) -> None:
        if isinstance(event, ResponseReceived):
            self.heads[event.stream_id] = dict(event.headers)
        elif isinstance(event, TrailersReceived):
            self.trailers[event.stream_id] = dict(event.headers)
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] += event.data
            self._protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self.farewells.append(event.error_code)
        else:
            assert not isinstance(event, StreamReset), event

    def _flush(self) -> None:
        for stream, body in list(self._unsent.items()):
            room = min(self._protocol.local_flow_control_window(stream), len(body))
            for at in range(0, room, 16_384):
                piece = body[at : min(at + 16_384, room)]
                self._protocol.send_data(stream, piece, end_stream=at + len(piece) == len(body))
            self._unsent[stream] = body[room:]
            if room == len(body):
                del self._unsent[stream]
        self._writer.write(self._protocol.data_to_send())


@asynccontextmanager
async def friend(port: int, protocol: str = "https") -> AsyncIterator[Friend]:
    secure = {"ssl": trusting("h2"), "server_hostname": "hello.localhost"} if protocol == "https" else {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **secure)
    try:
        yield Friend(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def echo(call: Call) -> None:
    """A dyno that sends back what it gets, in chunks, with a trailer."""
    body = await call.body()
    await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(body), 10_000):
        piece = body[at : at + 10_000]
        await call.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    await call.send(b"0\r\nlength: %d\r\n\r\n" % len(body))


@pytest.mark.parametrize(
    ("protocol", "rounds"), [("https", 1), ("http", 1), pytest.param("https", 6, marks=pytest.mark.thorough)]
)
async def test_many_requests_of_every_size(protocol, rounds):
    chance = Random(7)
    async with (
        rig2(echo, echo, settings=Settings(), protocol=protocol) as router,
        friend(router.port, protocol) as client,
    ):
        for _ in range(rounds):
            sent = {}
            for number in range(40):
                size = chance.choice((0, 1, 100, 16_384, 70_000, 300_000))
                fields = get(f"/{number}", *((("content-length", str(size)),) * chance.randrange(2)), method="POST")
                body = chance.randbytes(size)
                sent[client.ask(fields, body)] = body
            await client.answered(*sent)
            for stream, body in sent.items():
                assert client.heads[stream][":status"] == "200"
                assert client.bodies[stream] == body
                assert client.trailers[stream] == {"length": str(len(body))}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl():
    async with rig2(ok) as router:
        address = f"https://hello.localhost:{router.port}/"
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--insecure", "--http2", "--resolve", f"hello.localhost:{router.port}:127.0.0.1",
            "--write-out", "%{http_version} %{response_code}\n", "--noproxy", "*", f"{address}a", "--next", "--silent",
            "--insecure", "--noproxy", "*", "--resolve", f"hello.localhost:{router.port}:127.0.0.1", "--data", "x=y",
            "--write-out", "%{http_version} %{response_code}\n", f"{address}b",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert output.decode().splitlines() == ["ok2 200", "ok2 200"]
        assert [call.line for call in router.rig.dynos[0].calls] == ["GET /a HTTP/1.1", "POST /b HTTP/1.1"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_sees_an_answer_that_comes_before_the_end_of_its_upload(tmp_path):
    async def early(call: Call) -> None:
        await call.answer(b"early", status="404 Not Found")
        await call.reader.read()

    (tmp_path / "upload").write_bytes(bytes(3_000_000))
    async with rig2(early, settings=Settings()) as router:
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--insecure", "--http2", "--resolve", f"hello.localhost:{router.port}:127.0.0.1",
            "--noproxy", "*", "--data-binary", f"@{tmp_path / 'upload'}", "--write-out", "%{response_code}",
            f"https://hello.localhost:{router.port}/", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert output == b"early404"


@pytest.mark.parametrize("protocol", ["http", pytest.param("https", marks=pytest.mark.thorough)])
@pytest.mark.thorough
async def test_a_worker_is_stopped_without_a_failed_request(installed, protocol):
    made, fake = installed
    with certificate(made.folder):
        process = await made.start()
        port = made.secure_port if protocol == "https" else made.port
        async with friend(port, protocol) as client:
            await client.answered(client.ask(get()))
            assert fake.calls[0].headers("x-forwarded-proto") == [protocol]
            assert fake.calls[0].headers("x-forwarded-port") == [str(port)]
            process.terminate()
            assert (await made.told()).startswith("STOPPING=1")
            await client.answered(client.ask(get("/while/stopping")))
            await client.went_away()
            assert client.farewells == [0, 0]
        assert await process.wait() == 0
