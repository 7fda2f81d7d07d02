"""Tells the router: writes the route table to disk, hands it to every worker, waits for drains."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from hostd.manager.dyno import Place
from router.store import load, save
from router.table import App, Table, TableError

log = logging.getLogger(__name__)

_WORKER_ANSWERS = aiohttp.ClientTimeout(total=5.0)


class Routing:
    """The control plane's view of the router: one table, N workers, each behind a unix socket.

    The file is written before the workers are told, and a worker opens its control socket before it
    reads the file: whichever way a restart falls, it ends with the newest table.
    """

    def __init__(self, *, table_file: Path, control_directory: Path, domain: str) -> None:
        self._table_file = table_file
        self._control_directory = control_directory
        self._domain = domain
        self._apps: dict[str, App] = {}
        # A worker refuses to go back to an older table, so that a restart of hostd must go on counting.
        self._sequence = _saved_sequence(table_file)
        self._published = self._sequence
        self._lock = asyncio.Lock()

    def set(self, app_id: str, entry: App | None) -> bool:
        """Put *entry* into the table that is published next; True if that changes anything."""
        if self._apps.get(app_id) == entry:
            return False
        if entry is None:
            del self._apps[app_id]
        else:
            self._apps[app_id] = entry
        self._sequence += 1
        return True

    async def publish(self) -> None:
        """Make the table as it is now the one that every worker uses; returns after the swap.

        Callers that come while a table is being published share the next one.
        """
        wanted = self._sequence
        async with self._lock:
            if self._published >= wanted:
                return
            sequence = self._sequence
            table = Table(sequence, self._domain, tuple(self._apps.values()))
            await asyncio.to_thread(save, self._table_file, table)
            body = table.to_json().encode()
            await asyncio.gather(*(self._call(worker, "PUT", "/routes", body) for worker in self._workers()))
            self._published = sequence

    async def drain(self, places: Sequence[Place], seconds: float) -> int:
        """Wait until no worker has a request in flight at *places*; return how many are left after *seconds*."""
        body = json.dumps({"dynos": [str(place) for place in places], "timeout": seconds}).encode()
        timeout = aiohttp.ClientTimeout(total=seconds + 5.0)
        answers = await asyncio.gather(
            *(self._call(worker, "POST", "/drain", body, timeout) for worker in self._workers())
        )
        return sum(int(answer.get("left", 0)) for answer in answers)

    async def status(self) -> dict[str, dict[str, Any]]:
        """What each worker says of itself, by its number; an empty dict for one that does not answer."""
        workers = self._workers()
        answers = await asyncio.gather(*(self._call(worker, "GET", "/status", None) for worker in workers))
        return {worker.stem: answer for worker, answer in zip(workers, answers, strict=True)}

    def _workers(self) -> list[Path]:
        return sorted(self._control_directory.glob("*.sock"))

    async def _call(
        self,
        worker: Path,
        verb: str,
        path: str,
        body: bytes | None,
        timeout: aiohttp.ClientTimeout = _WORKER_ANSWERS,
    ) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(worker)), timeout=timeout) as session,
                session.request(verb, f"http://router{path}", data=body) as answer,
            ):
                answer.raise_for_status()
                value: dict[str, Any] = await answer.json()
                return value
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("router worker %s does not answer %s %s: %s", worker.stem, verb, path, error)
            return {}


def _saved_sequence(table_file: Path) -> int:
    try:
        saved = load(table_file)
    except TableError as error:
        log.warning("%s cannot be read and is replaced: %s", table_file, error)
        return 0
    return saved.sequence if saved is not None else 0
