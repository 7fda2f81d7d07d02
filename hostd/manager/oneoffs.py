"""One-off dynos: one command, once, in a dyno like the app's others, attached to a terminal or not.

The client's own terminal or pipes are passed to the unit, so a session lives on when hostd is restarted. What systemd
does not know of it is in a file (`session_files.py`), and the client comes back with its token.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hostd import sizes
from hostd.errors import Conflict, NotFound
from hostd.events import Subject
from hostd.manager import words
from hostd.manager.capture import Hearer, hear_out
from hostd.manager.desired import DesiredApp
from hostd.manager.dyno import FIRST_ONE_OFF, SCHEDULED, Dyno, DynoId, DynoState
from hostd.manager.exits import Exit
from hostd.manager.launcher import STOP_SECONDS, Launch, LaunchFailedError
from hostd.manager.planner import Phase
from hostd.manager.record import Record
from hostd.manager.session import HANGUP_SECONDS, PATIENCE_SECONDS, Lost, Session, Stdio, Tickets, ends_within
from hostd.manager.session_files import SessionFiles
from hostd.manager.tools import Tools

log = logging.getLogger(__name__)

_REMEMBERED_SECONDS = 300.0
"""How long the exit status of an ended one-off dyno can still be asked for."""
_TIMEOUT = "timeout"
"""systemd's result for a unit that reached its RuntimeMaxSec=."""
_SIGTERMED = 143
"""The exit status, as a shell shows it, of what was ended by SIGTERM."""


@dataclass(frozen=True, slots=True)
class OneOff:
    """A one-off dyno that was asked for; ``attach_token`` opens the door of the attach socket."""

    dyno: Dyno
    attach_token: str | None


@dataclass(frozen=True, slots=True)
class ReleaseToBe:
    """What a release phase runs with: a release that is not in the ledger yet, perhaps the app's first."""

    version: int
    slug_id: str
    stack: str
    config: Mapping[str, str] = field(repr=False)


@dataclass(slots=True, eq=False, kw_only=True)
class _OneOffSession(Session):
    record: Record
    launch: Launch | None
    time_limit: float | None = None
    stopping: bool = False
    captured: bool = False
    last_words: list[str] = field(default_factory=list)
    """What is told of a captured dyno's end, once all that it printed was heard."""


class OneOffs:
    """The one-off dynos of all apps."""

    def __init__(
        self,
        tools: Tools,
        desired: Callable[[str], DesiredApp | None],
        files: SessionFiles,
        *,
        patience: float = PATIENCE_SECONDS,
        hangup: float = HANGUP_SECONDS,
    ) -> None:
        self._tools = tools
        self._desired = desired
        self._files = files
        self._patience = patience
        self._hangup = hangup
        self._sessions: dict[str, _OneOffSession] = {}
        self._tickets = Tickets[_OneOffSession](patience)
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_end: Callable[[Dyno], None] = lambda _: None
        """Told of every dyno that has ended, while its unit is still there to be asked again."""

    def prepare(
        self,
        app_id: str,
        command: str,
        *,
        env: Mapping[str, str],
        size: str | None = None,
        type_: str = "run",
        time_limit: float | None = None,
        release: ReleaseToBe | None = None,
    ) -> _OneOffSession:
        """Make the record and the launch of a new one-off dyno; nothing is started.

        It is a dyno of the current release, or of *release*, and is stopped after *time_limit* seconds. Raises
        Conflict when the app has no slug yet.
        """
        desired = self._desired(app_id)
        if desired is None:
            raise NotFound("Couldn't find that app.")
        if release is None:
            if desired.slug_id is None:
                raise Conflict(f"{desired.name} has no code yet: push to it first (git push hostd main).")
            release = ReleaseToBe(desired.version, desired.slug_id, desired.stack, desired.config)
        size = size or sizes.DEFAULT
        place = self._tools.places.take()
        dyno = DynoId(desired.name, type_, self._number(), release.version, place, sizes.get(size).name)
        launch = Launch(
            dyno=dyno,
            app_id=app_id,
            uid=desired.uid,
            slug_id=release.slug_id,
            stack=release.stack,
            command=command,
            size=size,
            config=release.config,
            extra=env,
            time_limit=time_limit,
        )
        record = Record(dyno, app_id, command, size, DynoState.CREATED, self._tools.clock(), Phase.STARTING)
        session = _OneOffSession(dyno.unit, record=record, launch=launch, time_limit=time_limit)
        self._sessions[dyno.unit] = session
        return session

    async def run_detached(
        self,
        app_id: str,
        command: str,
        *,
        env: Mapping[str, str],
        size: str | None,
        time_limit: float | None = None,
    ) -> OneOff:
        """Start *command* with its output in the app's log."""
        session = self.prepare(app_id, command, env=env, size=size, time_limit=time_limit)
        await self._start(session)
        return OneOff(session.record.view(), None)

    async def run_scheduled(
        self, app_id: str, command: str, *, size: str, named: Callable[[str], None]
    ) -> None:
        """Start *command* as `run_detached` does; *named* is told the dyno's name before, and may refuse by raising."""
        limit = float(self._tools.settings.run_timeout)
        session = self.prepare(app_id, command, env={}, size=size, type_=SCHEDULED, time_limit=limit)
        try:
            named(session.record.id.name)
        except BaseException:
            self._finish(session, Exit(1, "it could not be recorded"))
            raise
        await self._start(session)

    def run_attached(
        self,
        app_id: str,
        command: str,
        *,
        env: Mapping[str, str],
        size: str | None,
        time_limit: float | None = None,
        holder: str | None = None,
    ) -> OneOff:
        """Make a dyno that starts when its client comes to the attach socket with the token."""
        session = self.prepare(app_id, command, env=env, size=size, time_limit=time_limit)
        session.holder = holder
        session.token = self._tickets.give(session, self._expired)
        self._say(session.record, "Awaiting client")
        return OneOff(session.record.view(), session.token)

    async def attach(self, token: str, stdio: Stdio) -> Session | None:
        """Start the dyno of *token* on the given descriptors; None if there is none, or no more."""
        session = self._tickets.take(token)
        if session is None or session.launch is None or session.record.phase is Phase.STOPPING:
            return None
        session.launch = replace(session.launch, stdio=stdio)
        await self._start(session)
        return session

    def rejoin(self, token: str) -> Session | None:
        """The session of a client that lost its connection, whether it runs or ended a short while ago."""
        return next((session for session in self._sessions.values() if session.token == token), None)

    async def client_gone(self, session: Session) -> None:
        """Hang up on a dyno whose client has gone; what does not end by that is stopped (R16)."""
        known = self._sessions.get(session.unit)
        if known is None or known.record.phase not in (Phase.STARTING, Phase.UP):
            return
        self._say(known.record, "Client connection closed. Sending SIGHUP to all processes")
        self._tools.launcher.hang_up(known.record.id)
        if not await ends_within(known, self._hangup) and known.record.phase is Phase.UP:
            self._say(known.record, *words.detached())
            await self._stop(known)

    async def end_where(self, lost: Lost) -> None:
        """End the attached dynos of users who may not have them any more, at once."""
        running = [s for s in self._sessions.values() if s.holder and s.record.phase in (Phase.STARTING, Phase.UP)]
        ended = [session for session in running if lost(session.holder or "", session.record.app_id)]
        for session in ended:
            self._say(session.record, "The right to this session was taken away")
            if session.record.state is not DynoState.CREATED:
                self._tools.launcher.hang_up(session.record.id)
        await asyncio.gather(*(self._stop(session) for session in ended))

    async def run_captured(
        self, app_id: str, command: str, *, slug_id: str, config: Mapping[str, str], type_: str,
        version: int, hearer: Hearer, stack: str, size: str | None = None,
    ) -> int:
        """Run *command* of a release to be; *hearer* hears what it prints. Return its status.

        Used for the release phase: slug, stack and config are those of the release that is being made.
        """
        to_be = ReleaseToBe(version, slug_id, stack, config)
        session = self.prepare(app_id, command, env={}, size=size, type_=type_, release=to_be)
        session.captured = True
        hearer.begins(session.record.id.name)

        async def start(stdio: Stdio) -> None:
            assert session.launch is not None
            session.launch = replace(session.launch, stdio=stdio)
            await self._start(session)

        try:
            await hear_out(start, hearer)
            await session.ended.wait()
        except BaseException:
            await self._tools.launcher.terminate(session.record.id)
            self._finish(session, Exit(_SIGTERMED, "cancelled"))
            raise
        finally:
            self._say(session.record, *session.last_words)
        return session.status

    def status(self, unit: str) -> int:
        """The exit status of an ended one-off dyno."""
        return self._sessions[unit].status

    async def stop(self, app_id: str, selector: str | None) -> int:
        """Stop the app's one-off dynos: all, or those of a type or name; return how many."""
        sessions = [
            session
            for session in self._sessions.values()
            if session.record.app_id == app_id
            and session.record.phase in (Phase.STARTING, Phase.UP)
            and (selector is None or selector in (session.record.id.name, session.record.id.type))
        ]
        await asyncio.gather(*(self._stop(session) for session in sessions))
        return len(sessions)

    def adopt(self, app_id: str, dyno: DynoId) -> None:
        """Take over a one-off dyno that runs already; if it had a client, that is waited for."""
        known = self._files.read(dyno.unit) or {}
        running_for = self._tools.launcher.running_for(dyno)
        record = Record(
            dyno,
            app_id,
            command=str(known.get("command", "")),
            size=dyno.size or sizes.DEFAULT,
            state=DynoState.UP,
            since=self._tools.clock() - (running_for or 0.0),
            phase=Phase.UP,
        )
        limit = known.get("time_limit")
        session = _OneOffSession(dyno.unit, known.get("token"), record=record, launch=None, time_limit=limit)
        session.holder = known.get("user")
        self._sessions[dyno.unit] = session
        self.nudge(dyno.unit)
        if session.token is not None and not session.ended.is_set():
            asyncio.get_running_loop().call_later(self._patience, self._stayed_away, session)

    def knows(self, unit: str) -> bool:
        """True if *unit* is a one-off dyno."""
        return unit in self._sessions

    def nudge(self, unit: str) -> None:
        """Say that systemd may have changed *unit*."""
        session = self._sessions.get(unit)
        if session is None or session.record.phase is not Phase.UP or session.stopping:
            return
        ended = self._tools.launcher.exit_of(session.record.id)
        if ended is not None:
            if session.time_limit is not None and ended.result == _TIMEOUT:
                self._say(session.record, words.time_limit(session.time_limit))
            self._finish(session, ended)

    def nudge_all(self) -> None:
        """Say that systemd may have changed anything."""
        for unit in list(self._sessions):
            self.nudge(unit)

    def dynos(self, app_id: str) -> list[Dyno]:
        """The app's one-off dynos, those that ended a short while ago too."""
        return [s.record.view() for s in self._sessions.values() if s.record.app_id == app_id]

    async def close(self) -> None:
        """Stop watching; dynos run on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self, session: _OneOffSession) -> None:
        record, launch = session.record, session.launch
        assert launch is not None
        self._files.write(session.unit, _facts(session))
        self._say(record, f"Starting process with command `{record.command}`")
        self._say(record, record.move(DynoState.STARTING, self._tools.clock()))
        try:
            await self._tools.launcher.launch(launch)
        except LaunchFailedError as error:
            self._finish(session, Exit(1, str(error)))
            raise Conflict(f"{record.id.name} could not be started: {error}") from error
        except asyncio.CancelledError:
            self._finish(session, Exit(_SIGTERMED, "cancelled"))
            raise
        record.phase = Phase.UP
        self._say(record, record.move(DynoState.UP, self._tools.clock()))
        self.nudge(record.id.unit)

    async def _stop(self, session: _OneOffSession) -> None:
        self._say(session.record, "Stopping all processes with SIGTERM")
        if session.record.state is DynoState.CREATED:
            self._finish(session, Exit(0, "success"))
            return
        # Its last state is known to the one who stops it: a unit that ended well is unloaded at once.
        session.stopping = True
        asked = self._tools.clock()
        try:
            ended = await self._tools.launcher.terminate(session.record.id)
        finally:
            session.stopping = False
        if self._tools.clock() - asked >= STOP_SECONDS:
            self._say(session.record, *words.exit_timeout(STOP_SECONDS))
        self._finish(session, ended)

    def _finish(self, session: _OneOffSession, ended: Exit) -> None:
        record = session.record
        if record.phase is Phase.STOPPING:
            return
        record.phase = Phase.STOPPING
        record.exit_status, record.reason = ended.status, ended.reason
        session.status = ended.status
        after = DynoState.DOWN if record.state is DynoState.CREATED else DynoState.COMPLETE
        last_words = [*words.ended(ended), record.move(after, self._tools.clock())]
        if session.captured:
            session.last_words = last_words
        else:
            self._tools.events.ended(Subject(record.app_id), record.id.name, *last_words)
        asyncio.get_running_loop().call_later(_REMEMBERED_SECONDS, self._sessions.pop, record.id.unit, None)
        session.ended.set()
        self._tools.places.give_back(record.id.place)
        self.on_end(record.view())
        self._files.remove(session.unit)
        # Last, because it may fail: its client is told all the same.
        # What was captured went past the journal; what ends with its app has none any more.
        logged = not session.captured and self._desired(record.app_id) is not None
        self._tools.launcher.remove(record.id, record.app_id if logged else None)

    def _expired(self, session: _OneOffSession) -> None:
        if session.record.phase is not Phase.STOPPING:
            self._say(session.record, words.NOT_ATTACHED)
            self._finish(session, Exit(1, "no client"))

    def _stayed_away(self, session: _OneOffSession) -> None:
        if not session.clients:
            task = asyncio.create_task(self.client_gone(session))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _number(self) -> int:
        used = {session.record.id.number for session in self._sessions.values()}
        while (number := FIRST_ONE_OFF + secrets.randbelow(9 * FIRST_ONE_OFF)) in used:
            continue
        return number

    def _say(self, record: Record, *lines: str) -> None:
        for line in lines:
            self._tools.events.platform(Subject(record.app_id), record.id.name, line)


def _facts(session: _OneOffSession) -> dict[str, Any]:
    record = session.record
    return {
        "app": record.app_id,
        "command": record.command,
        "token": session.token,
        "time_limit": session.time_limit,
        "user": session.holder,
    }
