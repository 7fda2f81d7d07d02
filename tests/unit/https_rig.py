"""What the tests of the router's https run on: a plane behind TLS, a folder of certificates, and clients."""

from __future__ import annotations

import asyncio
import datetime
import io
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router_rig import PATIENT, FakeDyno, Wire, ok
from tls_kit import DAY, Made, make

from router.certificates import Certificates
from router.client import Client
from router.door import Door
from router.journal import Journal
from router.plane import Plane
from router.table import App, State, Table

NOW = datetime.datetime.now(datetime.UTC)
ONE, TWO, WILD = "1" * 32, "2" * 32, "3" * 32


def made(*names: str) -> Made:
    return make(*names, starts=NOW - DAY, ends=NOW + DAY)


def put(folder: Path, name: str, certificate: Made) -> None:
    draft = folder / "draft"
    draft.write_text(certificate.key_pem + certificate.pem)
    draft.replace(folder / f"{name}.pem")


def put_default(folder: Path, certificate: Made) -> None:
    (folder / "key.pem").write_text(certificate.key_pem)
    (folder / "draft").write_text(certificate.pem)
    (folder / "draft").replace(folder / "cert.pem")


class Secure:
    """A plane that is served over https, with a folder of certificates and the log of what was wrong."""

    def __init__(self, plane: Plane, certificates: Certificates, folder: Path, said: list[str], fake: FakeDyno) -> None:
        self.plane = plane
        self.certificates = certificates
        self.folder = folder
        self.said = said
        self.port = self.plain_port = 0
        self.fake = fake
        self._sequence = 0

    def swap(self, *, hosts: tuple[str, ...], **more: object) -> None:
        self._sequence += 1
        app = App("a", "hello", hosts, State.UP, (self.fake.dyno,), **more)
        self.plane.swap(Table(self._sequence, "localhost", (app,)))

    async def dial(self, name: str | None, context: ssl.SSLContext | None = None) -> Wire:
        context = context or anybody()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname=name or ""
        )
        return Wire(reader, writer)

    async def shown(self, name: str | None) -> bytes:
        wire = await self.dial(name)
        found = wire.writer.get_extra_info("ssl_object").getpeercert(True)
        await wire.close()
        return found


def anybody() -> ssl.SSLContext:
    # Not the default one, which would begin by reading all authorities of this machine.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def der(certificate: Made) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.pem)


@asynccontextmanager
async def serving(folder: Path, **more: object) -> AsyncIterator[Secure]:
    loop = asyncio.get_running_loop()
    fake = FakeDyno(ok, "web.1")
    await fake.start()
    said: list[str] = []
    plane = Plane(PATIENT, Journal(None, loop, fallback=io.BytesIO()), loop)
    certificates = Certificates(folder, plane.certificate, said.append, proof_of=plane.proof, **more)
    certificates.refresh()
    plane.watch = certificates.watch
    secure = Secure(plane, certificates, folder, said, fake)
    server = await loop.create_server(lambda: Door(plane), "127.0.0.1", 0, ssl=certificates.context)
    plain = await loop.create_server(lambda: Client(plane, "http"), "127.0.0.1", 0)
    secure.port, secure.plain_port = (each.sockets[0].getsockname()[1] for each in (server, plain))
    try:
        yield secure
    finally:
        server.close()
        plain.close()
        for client in list(plane.clients):
            client.transport.abort()
        await fake.kill()
        await asyncio.sleep(0)
        plane.journal.close()
