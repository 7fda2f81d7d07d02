"""Worker: one router process: its sockets, its certificate, its beginning and its end."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast
from weakref import WeakSet

import uvloop

from router import journal, memory, service, store
from router.certificates import Certificates
from router.control import Control
from router.door import Door
from router.doorman import Guesses
from router.doorstep import Doorstep
from router.journal import Journal, socket_path
from router.plane import Plane
from router.reader import Reader
from router.settings import Settings
from router.side import Connection
from router.table import TableError
from router.tickets import Tickets

_BACKLOG = 4096
_HANDSHAKE = 20.0
"""Seconds a TLS handshake may take."""
_REFRESH = 60.0
"""Seconds after which the default certificate and the key of session tickets are looked at again."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What the command line says."""

    control: Path | None
    routes: Path | None
    worker: int
    listen: tuple[tuple[str, int], ...]
    tls_directory: Path | None
    journal_namespace: str | None


def main(argv: Sequence[str] | None = None) -> int:
    """The command `hostd-router`. Returns its exit status."""
    arguments = parse_arguments(argv)
    sockets = service.inherited(os.environ, os.getpid())
    sockets.http.extend(_listener(host, port) for host, port in arguments.listen)
    if not sockets.http:
        print("hostd-router: nothing to listen on: start hostd-router@.socket, or give --listen", file=sys.stderr)
        return 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Worker(arguments, sockets, Settings()).run())
    return 0


def parse_arguments(argv: Sequence[str] | None) -> Arguments:
    """Read the command line; exits with a message when it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="hostd-router",
        description="One router worker: HTTP in, the right dyno out. Listening sockets come from systemd.",
    )
    add = parser.add_argument
    add("worker", type=int, nargs="?", metavar="N", help="this worker's number; implies the paths of an installation")
    add("--worker", type=int, dest="number", metavar="N", help="this worker's number, implying nothing")
    add("--control", type=Path, metavar="SOCKET", help="unix socket on which hostd talks to this worker")
    add("--routes", type=Path, metavar="FILE", help="route table to start with")
    add("--listen", type=_endpoint, action="append", default=[], metavar="HOST:PORT", help="listen for HTTP here too")
    add("--tls-directory", type=Path, metavar="DIR", help="cert.pem and key.pem for the https socket")
    add("--journal-namespace", metavar="NAME", help="where request lines go; without it, to standard error")
    options = parser.parse_args(argv)
    installed = options.worker is not None
    return Arguments(
        worker=options.worker or options.number or 1,
        control=options.control or (Path(f"/run/hostd/router/{options.worker}.sock") if installed else None),
        routes=options.routes or (Path("/var/lib/hostd/routes/routes.json") if installed else None),
        listen=tuple(options.listen),
        tls_directory=options.tls_directory,
        journal_namespace=options.journal_namespace or ("hostd" if installed else None),
    )


class Worker:
    """One process's life: load the routes, listen, serve until SIGTERM, leave without breaking a request."""

    def __init__(
        self, arguments: Arguments, sockets: service.Sockets, settings: Settings
    ) -> None:
        self._arguments = arguments
        self._sockets = sockets
        self._settings = settings
        self._servers: list[asyncio.Server] = []
        self._insecure: list[asyncio.Server] = []
        self._certificates: Certificates | None = None
        self._doors: WeakSet[Door] = WeakSet()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. SIGHUP reads the certificate again."""
        loop = asyncio.get_running_loop()
        namespace = self._arguments.journal_namespace
        self._journal = Journal(None if namespace is None else socket_path(namespace), loop)
        routes = self._arguments.routes
        pages = routes.with_name("pages") if routes else None
        self._plane = Plane(self._settings, self._journal, loop, pages, self._guesses())
        loop.set_exception_handler(self._report)
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        self._certificates = self._tls()
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        reader = Reader()
        control = Control(self._plane, self._arguments.worker, reader)
        if self._arguments.control is not None:
            await control.listen(self._arguments.control)
        # Only now, so that a table saved before hostd could reach the socket is not missed.
        await self._load_routes(reader)
        self._reload()
        await self._listen(loop)
        sweeping = loop.create_task(self._sweep())
        refreshing = loop.create_task(self._refresh())
        memory.settle()
        memory.keep_pages()
        service.notify(os.environ, "READY=1", f"STATUS=Serving {len(self._plane.table.apps)} apps")
        await stopping.wait()
        service.notify(os.environ, "STOPPING=1", "STATUS=Finishing requests")
        await self._leave()
        sweeping.cancel()
        refreshing.cancel()
        await control.close()
        self._journal.close()

    def _guesses(self) -> Guesses:
        """Where all workers count who guesses passwords."""
        control = self._arguments.control
        try:
            return Guesses(control.with_name("guesses") if control else None)
        except OSError as error:
            self._journal.say(f"Guesses at gates are counted by each worker for itself: {error}", journal.WARNING)
            return Guesses()

    def _tls(self) -> Certificates | None:
        folder, control = self._arguments.tls_directory, self._arguments.control
        if folder is None:
            return None
        tickets = Tickets(control.with_name("tickets")) if control else None
        certificates = Certificates(
            folder, self._plane.certificate, lambda text: self._journal.say(text, journal.ERROR),
            proof_of=self._plane.proof, tickets=tickets,
        )  # fmt: skip
        self._plane.watch = certificates.watch
        return certificates

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        for listener in self._sockets.http:
            server = await loop.create_server(lambda: Doorstep(self._plane), sock=listener, backlog=_BACKLOG)
            self._servers.append(server)
        await self._listen_https(loop)

    async def _listen_https(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve https; without a certificate hang up at once, so that a browser does not wait for a handshake."""
        tls = self._certificates.context if self._certificates and self._certificates.ready else None
        if tls is None and self._sockets.https:
            self._journal.say("There is no certificate: https is not served", journal.WARNING)
        seconds, client = (_HANDSHAKE, self._door) if tls else (None, _HangUp)
        for listener in self._sockets.https:
            server = await loop.create_server(
                client, sock=listener.dup(), backlog=_BACKLOG, ssl=tls, ssl_handshake_timeout=seconds
            )
            self._servers.append(server)
            self._insecure = [] if tls else [*self._insecure, server]
        if tls and self._sockets.https:
            self._plane.https_port = self._sockets.https[0].getsockname()[1]

    def _door(self) -> asyncio.Protocol:
        door = Door(self._plane)
        self._doors.add(door)
        return door

    def _reload(self) -> None:
        """Look at the certificates again; those that connections began with stay theirs."""
        if self._certificates is None:
            return
        self._certificates.refresh()
        if self._certificates.ready and self._insecure:
            for server in self._insecure:
                server.close()
            self._insecure = []
            loop = asyncio.get_running_loop()
            self._listening = loop.create_task(self._listen_https(loop))

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH)
            self._reload()

    async def _load_routes(self, reader: Reader) -> None:
        path = self._arguments.routes
        if path is None:
            return
        try:
            table = await reader.read(path.read_bytes())
        except FileNotFoundError:
            return
        except (TableError, OSError) as error:
            self._journal.say(f"The route table {path} cannot be used: {error}", journal.ERROR)
            return
        async with self._plane.changing:
            if not self._plane.loaded or table.sequence > self._plane.table.sequence:
                await self._plane.change(table.in_boot(store.this_boot()))

    async def _sweep(self) -> None:
        tick = self._settings.tick
        pulse, told = service.pulse(os.environ), monotonic()
        now, stood_still = told, False
        while True:
            before = now
            await asyncio.sleep(tick)
            now = monotonic()
            # After a standstill (a frozen machine, a full disk) what came meanwhile is read before anybody is late.
            stood_still = not stood_still and now - before > 2 * tick
            if not stood_still:
                self._plane.sweep(now)
            if pulse is not None and now - told >= pulse:
                told = now
                service.notify(os.environ, "WATCHDOG=1")

    async def _leave(self) -> None:
        """First answer with `Connection: close` while still accepting, as new connections would otherwise wait in the
        socket for as long as old ones take; when the old ones are gone, stop accepting, finish, and go."""
        plane, settings = self._plane, self._settings
        plane.closing = True
        end = monotonic() + settings.stop_grace
        await self._see_off(set(plane.clients), end - settings.stop_idle)
        for server in self._servers:
            server.close()
        patience = monotonic() + settings.stop_idle
        while monotonic() < patience and any(door.shaking_hands for door in self._doors):
            await asyncio.sleep(settings.tick)
        await self._see_off(plane.clients, end)
        for client in list(plane.clients):
            client.cut()
        # What was written last is on its way a moment later.
        await self._see_off(plane.clients, monotonic() + settings.last_word)
        for client in list(plane.clients):
            client.transport.abort()
        await asyncio.sleep(0)

    async def _see_off(self, leaving: set[Connection], end: float) -> None:
        """Wait until these clients are gone. One that is idle has some time left to send a request, as it may just
        be doing so; every answer ends its connection."""
        patience = monotonic() + self._settings.stop_idle
        while (staying := leaving & self._plane.clients) and (now := monotonic()) < end:
            if now >= patience:
                for client in staying:
                    if client.idle:
                        client.transport.close()
            await asyncio.sleep(self._settings.tick)

    def _report(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, ConnectionError | ssl.SSLError):
            return
        self._journal.say(f"{context.get('message')}: {error!r}", journal.ERROR)


class _HangUp(asyncio.Protocol):
    """What answers on the https socket while there is no certificate."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        cast(asyncio.Transport, transport).abort()


def _endpoint(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=True)
    listener.setblocking(False)
    return listener
