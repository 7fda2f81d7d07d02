"""Visits: a command, or a shell, inside a dyno that runs already, as one more process of it.

Each is a transient unit of its own, whose process goes over into the dyno's namespaces and control groups
(`units/entering.py`): what holds for the dyno's processes holds for it, and it ends with the dyno.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hostd.errors import Conflict
from hostd.manager.dyno import Dyno
from hostd.manager.environment import EnvironmentFiles
from hostd.manager.exits import shell_status
from hostd.manager.launcher import app_slice, runs
from hostd.manager.session import HANGUP_SECONDS, PATIENCE_SECONDS, Lost, Session, Stdio, Tickets, ends_within
from hostd.manager.session_files import SessionFiles
from units.entering import entering
from units.errors import SystemdError
from units.systemd import UnitInfo

STOP_SECONDS = 10.0
"""What a visit's processes get between SIGTERM and SIGKILL."""
VISIT_UNITS = re.compile(r"hostd-.*-inside-[0-9]+\.service")

_REMEMBERED_SECONDS = 300.0
"""How long the exit status of an ended visit can still be asked for."""


class Units(Protocol):
    """What is needed of `units.systemd.Systemd`."""

    async def start(self, name: str, properties: Mapping[str, Any]) -> None:
        """Start a transient unit."""

    async def stop(self, name: str) -> UnitInfo | None:
        """Stop a unit and wait for its end."""

    def kill(self, name: str, signal: int) -> None:
        """Send a signal to its processes."""

    def reset_failed(self, name: str) -> None:
        """Let systemd forget that it failed."""

    def info(self, name: str) -> UnitInfo | None:
        """What systemd knows of it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What shall run inside which dyno; `env` comes on top of the dyno's environment, with None there is nothing of it.
    """

    dyno: Dyno
    app: str
    uid: int
    argv: Sequence[str]
    env: Mapping[str, str] | None = field(default=None, repr=False)
    time_limit: float | None = None
    holder: str | None = None


class Visits:
    """The visits to the dynos of all apps."""

    def __init__(
        self,
        systemd: Units,
        environment_files: EnvironmentFiles,
        files: SessionFiles,
        *,
        patience: float = PATIENCE_SECONDS,
        hangup: float = HANGUP_SECONDS,
    ) -> None:
        self._systemd = systemd
        self._environment_files = environment_files
        self._files = files
        self._patience = patience
        self._hangup = hangup
        self._tickets = Tickets[Visit](patience)
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self, visit: Visit) -> str:
        """A token: who shows it on the attach socket gets the visit started on their terminal or pipes."""
        return self._tickets.give(visit)

    async def attach(self, token: str, stdio: Stdio) -> Session | None:
        """Start the visit of *token*; None if there is none. Raises Conflict when the dyno has ended."""
        visit = self._tickets.take(token)
        if visit is None:
            return None
        group = f"inside-{self._number()}"
        unit = f"{visit.dyno.unit.removesuffix('.service')}-{group}.service"
        session = self._sessions[unit] = Session(unit, token, visit.holder, visit.dyno.app_id)
        try:
            await self._systemd.start(unit, self._properties(session, group, visit, stdio))
        except (SystemdError, OSError) as error:
            await self._clear(session)
            raise Conflict(f"Nothing could be started inside {visit.dyno.name}: {error}") from error
        except BaseException:
            self._spawn(self._clear(session))
            raise
        self.nudge(unit)
        return session

    def rejoin(self, token: str) -> Session | None:
        """The session of a client that lost its connection."""
        return next((session for session in self._sessions.values() if session.token == token), None)

    async def client_gone(self, session: Session) -> None:
        """Hang up on a visit, and stop it if it does not end by that."""
        if not session.ended.is_set():
            self._systemd.kill(session.unit, signal.SIGHUP)
            if not await ends_within(session, self._hangup):
                await self._clear(session)

    async def end_where(self, lost: Lost) -> None:
        """End the visits of users who may not make them any more, at once."""
        self._tickets.withdraw(lambda visit: visit.holder is not None and lost(visit.holder, visit.dyno.app_id))
        ended = [
            session
            for session in self._sessions.values()
            if session.holder is not None and not session.ended.is_set() and lost(session.holder, session.app_id)
        ]
        for session in ended:
            self._systemd.kill(session.unit, signal.SIGHUP)
        await asyncio.gather(*(self._clear(session) for session in ended))

    def adopt(self, units: Sequence[str]) -> None:
        """Take over visits that run already, and wait for their clients."""
        for unit in units:
            known = self._files.read(unit) or {}
            whose = {"holder": known.get("user"), "app_id": known.get("app", "")}
            session = self._sessions[unit] = Session(unit, known.get("token"), **whose)
            self.nudge(unit)
            asyncio.get_running_loop().call_later(self._patience, self._stayed_away, session)

    def knows(self, unit: str) -> bool:
        """True if *unit* is a visit's."""
        return unit in self._sessions

    def dyno_changed(self, unit: str) -> None:
        """Say that systemd may have changed a dyno: visits to one that is being stopped are told to go.

        A shell ends by SIGHUP and not by SIGTERM; the dyno's end would wait for it until SIGKILL.
        """
        visiting = [name for name, session in self._sessions.items() if _is_visit_to(unit, name, session)]
        if visiting and ((info := self._systemd.info(unit)) is None or info.active == "deactivating"):
            for name in visiting:
                self._systemd.kill(name, signal.SIGHUP)

    def nudge(self, unit: str) -> None:
        """Say that systemd may have changed *unit*."""
        session = self._sessions.get(unit)
        if session is None or session.ended.is_set():
            return
        info = self._systemd.info(unit)
        if not runs(info):
            session.status = 0 if info is None else shell_status(info)
            session.ended.set()
            self._spawn(self._clear(session))

    def nudge_all(self) -> None:
        """Say that systemd may have changed anything."""
        for unit in list(self._sessions):
            self.nudge(unit)

    async def close(self) -> None:
        """Stop watching; visits go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _properties(self, session: Session, group: str, visit: Visit, stdio: Stdio) -> dict[str, Any]:
        info = self._systemd.info(visit.dyno.unit)
        if info is None or not info.main_pid:
            raise Conflict(f"{visit.dyno.name} has ended.")
        order = {
            "pid": info.main_pid,
            "control_group": info.control_group,
            "group": group,
            "uid": visit.uid,
            "argv": list(visit.argv),
            "env": {} if visit.env is None else {**self._environment_files.read(visit.dyno.unit), **visit.env},
        }
        known = {"token": session.token, "user": session.holder, "app": session.app_id}
        return entering(
            order=self._files.write(session.unit, {**order, **known}),
            uid=visit.uid,
            slice_name=app_slice(visit.app),
            description=f"{visit.app} inside {visit.dyno.name} v{visit.dyno.version}",
            stdio=stdio,
            stop_timeout=STOP_SECONDS,
            runtime_max=visit.time_limit,
        )

    async def _clear(self, session: Session) -> None:
        """Stop the unit, which kills what is left of the visit, and forget it."""
        info = await self._systemd.stop(session.unit)
        self._systemd.reset_failed(session.unit)
        self._files.remove(session.unit)
        if not session.ended.is_set():
            session.status = 0 if info is None else shell_status(info)
            session.ended.set()
        asyncio.get_running_loop().call_later(_REMEMBERED_SECONDS, self._sessions.pop, session.unit, None)

    def _stayed_away(self, session: Session) -> None:
        if not session.clients:
            self._spawn(self.client_gone(session))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _number(self) -> int:
        used = {int(unit.removesuffix(".service").rpartition("-")[2]) for unit in self._sessions}
        while (number := 1000 + secrets.randbelow(9000)) in used:
            continue
        return number


def _is_visit_to(dyno: str, name: str, session: Session) -> bool:
    return not session.ended.is_set() and name.startswith(f"{dyno.removesuffix('.service')}-inside-")
