"""Tells the router: writes the route table to disk, hands it to every worker, waits for drains."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from hostd.faults import FaultPoint, Faults
from hostd.manager.dyno import Place
from router.store import load, save, this_boot, tidy
from router.table import App, Table, TableError

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_SOON_SECONDS = 2.0
"""Within which a worker that is well says how it is."""
_ATTEMPTS = 2
"""How often a worker that lives but does not answer is told, until a table is published without it."""


class Routing:
    """The control plane's view of the router: one table, N workers, each behind a unix socket. `group` is the router's.

    The file is written before the workers are told, and a worker opens its control socket before it
    reads the file: whichever way a restart falls, it ends with the newest table.
    """

    def __init__(
        self,
        *,
        table_file: Path,
        control_directory: Path,
        domain: str,
        faults: Faults,
        group: int | None = None,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        self._table_file = table_file
        self._control_directory = control_directory
        self._domain = domain
        self._faults = faults
        self._group = group
        self._answers = aiohttp.ClientTimeout(total=answer_seconds)
        self._apps: dict[str, App] = {}
        self._holders: dict[str, str] = {}
        """The app that got each host last, by its id."""
        self._unsaved = ""
        """Why the table in force is not on disk, if it is not."""
        tidy(table_file)
        # What an earlier hostd published may name apps that are gone: our first table is always a new one.
        self._published = self._tried = _saved_sequence(table_file)
        self._sequence = self._published + 1
        self._publishing: asyncio.Task[None] | None = None

    async def catch_up(self) -> None:
        """Count on from the newest table of any worker: it refuses older ones, even if the file was lost."""
        known = [answer.get("sequence") or 0 for answer in (await self.status()).values()]
        self._published = max([self._published, *known])
        self._sequence = self._published + 1

    def set(self, app_id: str, entry: App | None) -> bool:
        """Put *entry* into the table that is published next; True if that changes anything."""
        before = self._apps.get(app_id)
        if before == entry:
            return False
        self._claim(app_id, frozenset(before.hosts if before else ()), frozenset(entry.hosts if entry else ()))
        if entry is None:
            del self._apps[app_id]
        else:
            self._apps[app_id] = entry
        self._sequence += 1
        return True

    async def publish(self) -> None:
        """Make the table as it is now the one that every worker uses; returns after the swap.

        Callers that come while a table is being published share the next one. A worker that hangs is left out after
        some attempts, and told again by the next call; so is a table saved by the next call that cannot be now.
        """
        wanted = self._sequence
        if self._published >= wanted:
            return
        while True:
            if self._publishing is None or self._publishing.done():
                self._publishing = asyncio.create_task(self._publish())
            # A caller that is cancelled must not leave a file half written, nor let an older one overtake a newer.
            await asyncio.shield(self._publishing)
            if self._tried >= wanted:
                return

    async def drain(self, places: Sequence[Place], seconds: float) -> int:
        """Wait until no worker has a request in flight at *places*; return how many are left after *seconds*."""
        body = json.dumps({"dynos": [str(place) for place in places], "timeout": seconds}).encode()
        timeout = aiohttp.ClientTimeout(total=seconds + _ANSWER_SECONDS)
        answers = await asyncio.gather(
            *(self._call(worker, "POST", "/drain", body, timeout) for worker in self._workers())
        )
        return sum(int(answer.get("left", 0)) for answer in answers)

    async def status(self, seconds: float = _ANSWER_SECONDS) -> dict[str, dict[str, Any]]:
        """What each worker says of itself, by its number; an empty dict for one that does not answer in time."""
        workers, timeout = self._workers(), aiohttp.ClientTimeout(total=seconds)
        answers = await asyncio.gather(*(self._call(worker, "GET", "/status", None, timeout) for worker in workers))
        return {worker.stem: answer for worker, answer in zip(workers, answers, strict=True)}

    async def metrics(self) -> dict[str, dict[str, Any]]:
        """What each worker has counted of the requests of each app, by its number; those that answer."""
        workers = self._workers()
        answers = await asyncio.gather(*(self._call(worker, "GET", "/metrics", None) for worker in workers))
        return {worker.stem: answer for worker, answer in zip(workers, answers, strict=True) if answer}

    async def problems(self, workers: int) -> list[str]:
        """What is wrong with the router, in sentences; so many workers should be there."""
        said = await self.status(_SOON_SECONDS)
        found = [f"The route table cannot be saved: {self._unsaved}."] if self._unsaved else []
        for name in map(str, range(1, workers + 1)):
            if not said.get(name):
                found.append(f"Worker {name} does not answer.")
            elif said[name].get("sequence") is None:
                found.append(f"Worker {name} has no route table.")
        return found

    async def quiet(self) -> dict[str, float]:
        """For how many seconds no worker has had a request for each app, by its id; empty if one does not answer."""
        answers = await asyncio.gather(*(self._call(worker, "GET", "/quiet", None) for worker in self._workers()))
        if not all(answers):
            return {}
        known = set.intersection(*(set(answer) for answer in answers)) if answers else set()
        return {app_id: min(float(answer[app_id]) for answer in answers) for app_id in known}

    async def calls(self, worker: int) -> AsyncIterator[str]:
        """The ids of sleeping apps as requests for them come to a worker, until it ends.

        Raises ClientError or OSError if it is not there.
        """
        path, timeout = self._control_directory / f"{worker}.sock", aiohttp.ClientTimeout(total=None, sock_read=60.0)
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)), timeout=timeout) as session,
            session.get("http://router/calls", raise_for_status=True) as answer,
        ):
            # It may have begun with a table that is not the newest, if that could not be saved or read.
            await self._keep_up(path)
            async for line in answer.content:
                if app_id := line.decode().strip():
                    yield app_id

    async def _publish(self) -> None:
        sequence = self._sequence
        apps = tuple(self._without_lost_hosts(app) for app in self._apps.values())
        table = Table(sequence, self._domain, apps, this_boot())
        # With thousands of domains it takes its time to write a table down.
        body = await asyncio.to_thread(self._saved, table)
        self._faults.reach(FaultPoint.TABLE_SAVED)
        self._tried = sequence
        told = await asyncio.gather(*(self._tell(worker, body) for worker in self._workers()))
        if all(told) and not self._unsaved:
            self._published = sequence

    def _saved(self, table: Table) -> bytes:
        """Save the table, and return what it is in writing. Workers that run get it even if it cannot be saved."""
        try:
            document = save(self._table_file, table, self._group)
        except OSError as error:
            log.error("the route table cannot be saved, and is tried again: %s", error)
            self._unsaved = str(error)
            return table.to_json().encode()
        self._unsaved = ""
        return document

    async def _keep_up(self, worker: Path) -> None:
        said = await self._call(worker, "GET", "/status", None)
        if said and (said.get("sequence") or 0) < self._tried:
            log.warning("router worker %s began with an older route table, or none: it gets the newest", worker.stem)
            self._published = 0
            await self.publish()

    def _claim(self, app_id: str, before: frozenset[str], after: frozenset[str]) -> None:
        self._holders.update(dict.fromkeys(after - before, app_id))
        for host in before - after:
            if self._holders.get(host) == app_id:
                del self._holders[host]

    def _without_lost_hosts(self, app: App) -> App:
        """The app without hosts that went to another since: that one may be looked at before this one."""
        if all(self._holders.get(host, app.id) == app.id for host in app.hosts):
            return app
        return replace(app, hosts=tuple(host for host in app.hosts if self._holders.get(host, app.id) == app.id))

    async def _tell(self, worker: Path, body: bytes) -> bool:
        """Hand the table to a worker; True if it has it, or is not there and will read the file when it starts."""
        for _ in range(_ATTEMPTS):
            try:
                await _ask(worker, "PUT", "/routes", body, self._answers)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if _nobody_listens(error):
                    return True
                log.warning("router worker %s does not take the table: %s", worker.stem, _said(error))
            else:
                return True
        return False

    def _workers(self) -> list[Path]:
        return sorted(self._control_directory.glob("*.sock"))

    async def _call(
        self,
        worker: Path,
        verb: str,
        path: str,
        body: bytes | None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> dict[str, Any]:
        try:
            return await _ask(worker, verb, path, body, timeout or self._answers)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("router worker %s does not answer %s %s: %s", worker.stem, verb, path, _said(error))
            return {}


async def _ask(
    worker: Path, verb: str, path: str, body: bytes | None, timeout: aiohttp.ClientTimeout
) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(worker)), timeout=timeout) as session,
        session.request(verb, f"http://router{path}", data=body) as answer,
    ):
        answer.raise_for_status()
        value: dict[str, Any] = await answer.json()
        return value


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _nobody_listens(error: Exception) -> bool:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return isinstance(cause, ConnectionRefusedError | FileNotFoundError)


def _saved_sequence(table_file: Path) -> int:
    try:
        saved = load(table_file)
    except (TableError, OSError) as error:
        log.warning("%s cannot be read and is replaced: %s", table_file, error)
        return 0
    return saved.sequence if saved is not None else 0
