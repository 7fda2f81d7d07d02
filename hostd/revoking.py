"""Ends what people have running that they may have no more: at once, not only at the next call.

Nothing is remembered of who lost what: all that a user has running is held against the rights that they have now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from hostd.errors import NotFound
from hostd.holders import belongs, holder
from hostd.ledger import Ledger
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.users import User
from hostd.settings import Settings
from hostd.ssh.sessions import SshSession, SshSessions
from hostd.tailing import Tails

Lost = Callable[[str, str], bool]

_NEEDED = {
    "git-receive-pack": Right.DEPLOY,
    "deploy": Right.DEPLOY,
    "git:sync": Right.DEPLOY,
    "git-upload-pack": Right.VIEW,
    "logs": Right.VIEW,
    "ps": Right.VIEW,
    "ps:wait": Right.VIEW,
    "ps:top": Right.VIEW,
    "builds:output": Right.VIEW,
    "releases:output": Right.VIEW,
}
"""What commands that last need, by their names; all others need the right to operate, or are over before it matters."""

_log = logging.getLogger(__name__)


class Deploys(Protocol):
    """What is needed of `hostd.deploys.deploys.Deploys`."""

    def end_where(self, lost: Lost, reason: str) -> None:
        """Cancel deploys."""


class Dynos(Protocol):
    """What is needed of `hostd.manager.manager.Manager`."""

    async def end_sessions(self, lost: Lost) -> None:
        """End sessions in dynos."""


class Streams(Protocol):
    """What is needed of `hostd.tailing.Tails`."""

    async def end(self, holder: str, app_id: str | None) -> int:
        """Cut log streams."""


class Connections(Protocol):
    """What is needed of `hostd.ssh.sessions.SshSessions`."""

    def of(self, email: str) -> list[SshSession]:
        """The sessions of a user."""

    def end(self, session: SshSession, *, connection: bool = False) -> None:
        """End one."""


class Revoking:
    """Knows where people can have something running."""

    def __init__(
        self, *, ledger: Ledger, deploys: Deploys, dynos: Dynos, streams: Streams, connections: Connections
    ) -> None:
        self._ledger = ledger
        self._deploys = deploys
        self._dynos = dynos
        self._streams = streams
        self._connections = connections
        self._ending: set[asyncio.Task[None]] = set()

    @classmethod
    def of(cls, settings: Settings, ledger: Ledger, deploys: Deploys, dynos: Dynos, log_key: bytes) -> Revoking:
        """That of this machine."""
        streams, connections = Tails(settings.run_dir / "logplex.sock", log_key), SshSessions.of_system()
        return cls(ledger=ledger, deploys=deploys, dynos=dynos, streams=streams, connections=connections)

    async def review(self, user: User, app: App | None = None) -> None:
        """End what a user has running and may have no more, on an app or at all. `user` may be removed already."""

        def lost(right: Right) -> Lost:
            return lambda held, app_id: belongs(held, user.id) and right not in self._rights(user, app_id)

        self._end_connections(user)
        self._deploys.end_where(lost(Right.DEPLOY), f"{user.email} may not deploy to this app any more")
        self._end_sessions(lost(Right.OPERATE))
        if app is None or Right.VIEW not in self._rights(user, app.id):
            await self._streams.end(user.id, app.id if app else None)

    async def end_token(self, user: User, authorization_id: str) -> None:
        """End what a user has running with the token of an authorization: commands in dynos and log streams."""
        whose = holder(user.id, authorization_id)
        self._end_sessions(lambda held, _app_id: held == whose)
        await self._streams.end(whose, None)

    def end_keys(self, user: User, keys: Collection[str], spared: int | None = None) -> None:
        """End the ssh connections of a user that were opened with keys, by their ids; not that of process `spared`."""
        for session in self._connections.of(user.email):
            if session.key in keys and session.pid != spared:
                self._connections.end(session, connection=True)

    def _end_sessions(self, lost: Lost) -> None:
        # Programs get time to end; whoever took the right away need not wait for that.
        task = asyncio.create_task(self._dynos.end_sessions(lost))
        self._ending.add(task)
        task.add_done_callback(self._ended)

    def _end_connections(self, user: User) -> None:
        removed = self._current(user) is None
        for session in self._connections.of(user.email):
            if removed or self._is_lost(session, user):
                self._connections.end(session, connection=removed)

    def _is_lost(self, session: SshSession, user: User) -> bool:
        """Whether a session is for an app on which the user lacks the right that its command needs."""
        if not session.words:
            return False
        needed = _NEEDED.get(session.words[0], Right.OPERATE)
        return any(needed not in self._ledger.access.rights(app, user) for app in self._named(session.words[1:]))

    def _named(self, words: Sequence[str]) -> list[App]:
        """The apps that a command line names: by a word, the value of a flag, or a repository."""
        found = []
        for word in words:
            name = word.rpartition("=")[2].strip("/~").removesuffix(".git")
            try:
                found.append(self._ledger.apps.get(name))
            except NotFound:
                continue
        return found

    def _rights(self, user: User, app_id: str) -> frozenset[Right]:
        known = self._current(user)
        try:
            app = self._ledger.apps.get(app_id)
        except NotFound:
            return frozenset()
        return self._ledger.access.rights(app, known) if known else frozenset()

    def _current(self, user: User) -> User | None:
        """The user as they are now; None for one who was removed."""
        try:
            return self._ledger.users.get(user.id)
        except NotFound:
            return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ending.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("sessions in dynos could not be ended", exc_info=error)
