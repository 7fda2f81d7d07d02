"""Control: a worker's unix socket, on which hostd swaps the table, drains dynos and asks how things are."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from aiohttp import web

from router import compiled, exposition
from router.memory import keep, undisturbed
from router.pace import Pace
from router.plane import Calls, Plane
from router.reader import Reader
from router.stage import Stage
from router.table import TableError

_MAX_TABLE = 64 * 1024 * 1024
_MAX_DRAIN = 3600.0
MANY = 250
"""New apps in a table that are kept from the garbage collector."""

T = TypeVar("T")

_PULSE = 15.0
"""Seconds after which a listener that heard nothing gets an empty line, so that one that has gone is noticed."""


class Control:
    """The HTTP API of one worker. Errors are `{"id": ..., "message": ...}`, as in the platform's own API."""

    def __init__(self, plane: Plane, worker: int, reader: Reader | None = None) -> None:
        self._plane = plane
        self._worker = worker
        self._since = monotonic()
        self._run = secrets.token_hex(8)
        self._reader = reader or Reader()
        self._runner: web.AppRunner | None = None
        self._path: Path | None = None

    async def listen(self, path: Path) -> None:
        """Serve on a unix socket for its owner and group; one left behind by a dead worker is replaced."""
        app = web.Application(client_max_size=_MAX_TABLE)
        app.add_routes(
            [
                web.get("/status", self._status),
                web.get("/metrics", self._metrics),
                web.get("/routes", self._routes),
                web.put("/routes", self._swap),
                web.post("/drain", self._drain),
                web.get("/quiet", self._quiet),
                web.get("/calls", self._calls),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        path.unlink(missing_ok=True)
        self._path = path
        before = os.umask(0o117)
        try:
            await web.UnixSite(self._runner, str(path)).start()
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop serving."""
        for listener in self._plane.listeners:
            listener.end()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _status(self, _request: web.Request) -> web.Response:
        plane = self._plane
        working = [exchange for client in plane.clients for exchange in client.exchanges]
        return web.json_response(
            {
                "worker": self._worker,
                "pid": os.getpid(),
                "uptime": round(monotonic() - self._since, 3),
                "sequence": plane.table.sequence if plane.loaded else None,
                "apps": len(plane.table.apps),
                "closing": plane.closing,
                "connections": len(plane.clients),
                "in_flight": sum(exchange.stage is not Stage.TUNNEL for exchange in working),
                "tunnels": sum(len(backend.tunnels) for backend in plane.backends.values()),
                "held": len(plane.held),
                "requests": plane.statuses.total(),
                "log_lines_lost": plane.journal.lost,
                "compiled": compiled.in_use(),
            }
        )

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        """JSON, or what Prometheus reads for those who accept `text/plain`, as it does itself.

        `run` is another one for each worker that begins to count."""
        if "text/plain" in request.headers.get("Accept", ""):
            return await self._exposition(request)
        plane = self._plane
        apps = [app async for app in _in_pieces(exposition.documents(plane))]
        return web.json_response(
            {
                "run": self._run,
                "uptime": round(monotonic() - self._since, 3),
                "statuses": {str(status): count for status, count in sorted(plane.statuses.items())},
                "faults": {code or "refused": count for code, count in sorted(plane.faults.items())},
                "dynos": [
                    {
                        "name": backend.name,
                        "address": backend.spot,
                        "app": app_id,
                        "live": backend.live,
                        "in_flight": backend.in_flight,
                        "tunnels": len(backend.tunnels),
                        "idle_connections": len(backend.idle),
                    }
                    for (_, _, app_id), backend in plane.backends.items()
                ],
                "apps": apps,
            }
        )

    async def _exposition(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
        await response.prepare(request)
        async for piece in _in_pieces(exposition.text(self._plane, self._worker)):
            await response.write(piece.encode())
        return response

    async def _routes(self, _request: web.Request) -> web.Response:
        if not self._plane.loaded:
            return _problem(404, "not_found", "No route table is loaded yet. PUT one to /routes.")
        return web.Response(text=self._plane.table.to_json(), content_type="application/json")

    async def _swap(self, request: web.Request) -> web.Response:
        document = await request.read()
        with undisturbed():
            return await self._put(document, force=request.query.get("force") == "1")

    async def _put(self, document: bytes, *, force: bool) -> web.Response:
        plane = self._plane
        try:
            table = await self._reader.read(document)
        except TableError as error:
            return _problem(422, "invalid_params", f"This is not a route table: {error}")
        async with plane.changing:
            if plane.loaded and table.sequence < plane.table.sequence and not force:
                return _problem(
                    409,
                    "conflict",
                    f"Table {table.sequence} is older than the one in force ({plane.table.sequence}). "
                    "Send a newer one, or add ?force=1 to go back on purpose.",
                )
            await plane.change(table)
        if self._reader.fresh > MANY:
            keep()
        return web.json_response({"sequence": table.sequence})

    async def _drain(self, request: web.Request) -> web.Response:
        try:
            dynos, timeout = _drain_order(await request.json())
        except ValueError as error:
            return _problem(422, "invalid_params", f"This is not a drain order: {error}")
        left, tunnels = await self._plane.drained(dynos, timeout)
        return web.json_response({"left": left, "tunnels": tunnels})

    async def _quiet(self, _request: web.Request) -> web.Response:
        return web.json_response(self._plane.quiet(self._since))

    async def _calls(self, request: web.Request) -> web.StreamResponse:
        """The ids of sleeping apps for which requests wait, one a line: those that do now, then as they come."""
        plane = self._plane
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        calls = Calls(plane.called())
        plane.listeners.add(calls)
        try:
            while not calls.over:
                taken = await calls.take(_PULSE)
                await response.write("".join(f"{app_id}\n" for app_id in taken).encode() or b"\n")
        except ConnectionError:
            # hostd was restarted; the next one asks anew.
            return response
        finally:
            plane.listeners.discard(calls)
        return response


async def _in_pieces(parts: Iterator[T]) -> AsyncIterator[T]:
    """As they come, with time for requests in between."""
    pace = Pace()
    for part in parts:
        await pace.turn()
        yield part


def _drain_order(document: Any) -> tuple[set[str], float]:
    """`{"dynos": ["127.0.0.1:20001"], "timeout": 30}`; raises ValueError."""
    if not isinstance(document, dict):
        raise ValueError("expected an object with dynos and timeout")
    dynos, timeout = document.get("dynos"), document.get("timeout", 30)
    if not isinstance(dynos, list) or not all(isinstance(item, str) for item in dynos):
        raise ValueError("dynos is a list of address:port")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 <= timeout <= _MAX_DRAIN:
        raise ValueError(f"timeout is a number of seconds, at most {_MAX_DRAIN:.0f}")
    return set(dynos), float(timeout)


def _problem(status: int, identity: str, message: str) -> web.Response:
    return web.json_response({"id": identity, "message": message}, status=status)
