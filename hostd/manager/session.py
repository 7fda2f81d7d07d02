"""A session: what a client is attached to, and how it finds back to it when hostd was restarted meanwhile."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

PATIENCE_SECONDS = 60.0
"""How long a session waits for its client, to come at all (Heroku's R13) or to come back."""
HANGUP_SECONDS = 10.0
"""What the processes of a session get between SIGHUP and SIGTERM when its client has gone."""

Stdio = tuple[int, int, int]
T = TypeVar("T")
Lost = Callable[[str, str], bool]
"""Whether a user, by id, may no more have sessions in the dynos of an app, by id."""


@dataclass(slots=True, eq=False)
class Session:
    """One command and its client. `token` lets the client come back; a detached one has none.

    `holder` says who is at the other end, if somebody is (`hostd.holders`), and `app_id` the app whose dyno it is.
    """

    unit: str
    token: str | None = field(default=None, repr=False)
    holder: str | None = None
    app_id: str = ""
    status: int = 0
    clients: int = 0
    """Connections of its client: none after a restart of hostd, until it has come back."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Host(Protocol):
    """Who has sessions."""

    async def attach(self, token: str, stdio: Stdio) -> Session | None:
        """Start what *token* was given for, on these descriptors; None if that was not here. Raises HostdError."""

    def rejoin(self, token: str) -> Session | None:
        """The session that was started with *token*; None if it is not here."""

    async def client_gone(self, session: Session) -> None:
        """End a session whose client will not come back."""


class Tickets(Generic[T]):
    """What waits for a client that shows the token; each token is good once, and not for long."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._waiting: dict[str, T] = {}

    def give(self, what: T, expired: Callable[[T], None] = lambda _: None) -> str:
        """A new token; *expired* is called if nobody shows it in time."""
        token = secrets.token_urlsafe(32)
        self._waiting[token] = what
        asyncio.get_running_loop().call_later(self._patience, self._expire, token, expired)
        return token

    def take(self, token: str) -> T | None:
        """What the token is for, once."""
        return self._waiting.pop(token, None)

    def withdraw(self, unwanted: Callable[[T], bool]) -> None:
        """Let tokens for some things be good for nothing any more."""
        for token in [token for token, what in self._waiting.items() if unwanted(what)]:
            del self._waiting[token]

    def _expire(self, token: str, expired: Callable[[T], None]) -> None:
        if (what := self._waiting.pop(token, None)) is not None:
            expired(what)


async def ends_within(session: Session, seconds: float) -> bool:
    """Wait for a session's end; False if it does not come in time."""
    try:
        async with asyncio.timeout(seconds):
            await session.ended.wait()
    except TimeoutError:
        return False
    return True
