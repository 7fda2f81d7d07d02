"""Forwards: connections to a port inside a dyno, made for a client that gets the connected socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from hostd.errors import Conflict, NotFound
from hostd.manager.dyno import Dyno
from hostd.manager.session import PATIENCE_SECONDS, Lost, Tickets
from units import reach
from units.enter import Refused
from units.systemd import UnitInfo

_AT_ONCE = 16


class Units(Protocol):
    """What is needed of `units.systemd.Systemd`."""

    def info(self, name: str) -> UnitInfo | None:
        """What systemd knows of a unit."""


Connect = Callable[[reach.Target], Awaitable[socket.socket]]


@dataclass(frozen=True, slots=True)
class Forward:
    """One connection that somebody may make."""

    dyno: Dyno
    uid: int
    port: int
    holder: str | None = None


class Forwards:
    """Connections that were granted and not made yet."""

    def __init__(
        self, systemd: Units, *, connect: Connect = reach.connect, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._systemd = systemd
        self._connect = connect
        self._tickets = Tickets[Forward](patience)
        self._limit = asyncio.Semaphore(_AT_ONCE)

    def prepare(self, forward: Forward) -> str:
        """A token that is good for one connection."""
        return self._tickets.give(forward)

    def withdraw_where(self, lost: Lost) -> None:
        """Let the tokens be good for nothing that users have who may not connect any more."""
        self._tickets.withdraw(lambda what: what.holder is not None and lost(what.holder, what.dyno.app_id))

    async def connect(self, token: str) -> socket.socket:
        """The connection of *token*. Raises NotFound for an unknown token, Conflict when nothing listens."""
        forward = self._tickets.take(token)
        if forward is None:
            raise NotFound("That connection was not asked for, or too long ago. Ask again.")
        info = self._systemd.info(forward.dyno.unit)
        if info is None or not info.main_pid:
            raise Conflict(f"{forward.dyno.name} has ended.")
        target = reach.Target(info.main_pid, info.control_group, forward.uid, forward.port)
        try:
            async with self._limit:
                return await self._connect(target)
        except Refused:
            raise Conflict(f"{forward.dyno.name} has ended.") from None
        except ConnectionRefusedError:
            raise Conflict(f"Nothing listens on port {forward.port} in {forward.dyno.name}.") from None
        except OSError as error:
            raise Conflict(f"Port {forward.port} in {forward.dyno.name} cannot be reached: {error}.") from error
