"""Caller: who asks, through which door, from where, and with which token."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hostd.holders import holder
from hostd.ledger.authorizations import Authorization
from hostd.ledger.users import User


class Door(enum.Enum):
    """The ways in."""

    SOCKET = "socket"
    """The unix socket: root, and git for who comes by ssh."""
    LOOPBACK = "loopback"
    """The port on the loopback interface."""
    ROUTER = "router"
    """`https://api.<domain>`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; `address` is the client's as the router knows it, `local` or `ssh` at the unix socket.

    `authorization` is that of the token; None at the unix socket, where none is needed.
    """

    user: User
    door: Door
    address: str
    authorization: Authorization | None = None

    @property
    def holder(self) -> str:
        """Whose what they begin is: it ends with their token."""
        return holder(self.user.id, self.authorization.id if self.authorization else None)
