"""Who asks: the kernel says which uid is at the other end of the socket, and root and git say whom they speak for."""

from __future__ import annotations

import enum
import pwd
import socket
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.typedefs import Handler

from hostd.api.requests import USER, context_of
from hostd.errors import Forbidden, NotFound, Unauthorized
from hostd.ledger import Ledger
from hostd.ledger.users import User

USER_HEADER = "Hostd-User"
INTERNAL = ("/hostd/ssh/", "/hostd/pushes")
"""Paths for hostd's own programs, which ask before there is a user, or name one themselves."""

NOBODY_YET = User(
    id="00000000-0000-0000-0000-000000000000",
    email="root@localhost",
    name="root",
    admin=True,
    created_at=datetime.fromtimestamp(0, UTC),
)
"""Whom root stands for until the first admin is added."""

_UCRED = struct.Struct("3i")


class Role(enum.Enum):
    """What a peer of the socket is trusted with."""

    ROOT = "root"
    GIT = "git"


@dataclass(frozen=True, slots=True)
class Peers:
    """The uids that may use the API's socket, and in which role."""

    root: int = 0
    git: int | None = None

    @classmethod
    def of_system(cls) -> Peers:
        """Root, and the user git if there is one."""
        try:
            return cls(git=pwd.getpwnam("git").pw_uid)
        except KeyError:
            return cls()

    def role(self, uid: int) -> Role:
        """The role of a uid; raises Unauthorized for any other user of the machine."""
        if uid == self.root:
            return Role.ROOT
        if uid == self.git:
            return Role.GIT
        raise Unauthorized(
            "Only root may speak to hostd directly. Run hostctl as root (sudo hostctl ...), "
            "or over ssh with your key: ssh git@HOST COMMAND."
        )


PEERS: web.AppKey[Peers] = web.AppKey("peers", Peers)


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse strangers; let every handler of a public path know its user (`requests.user_of`)."""
    role = request.app[PEERS].role(_peer_uid(request))
    if not request.path.startswith(INTERNAL):
        request[USER] = user_for(context_of(request).ledger, role, request.headers.get(USER_HEADER))
    return await handler(request)


def user_for(ledger: Ledger, role: Role, email: str | None) -> User:
    """The user a trusted peer speaks for: the one it names, or for root alone the first admin."""
    if email:
        try:
            return ledger.users.get(email)
        except NotFound:
            raise Unauthorized(f"There is no user {email}.") from None
    if role is not Role.ROOT:
        raise Unauthorized(f"The header {USER_HEADER} is missing.")
    return ledger.users.first_admin() or NOBODY_YET


def known_owner(user: User) -> User:
    """The user, if they can own things; raises Forbidden for root on a machine without any admin yet."""
    if user.id == NOBODY_YET.id:
        raise Forbidden("There is no user yet. Add the first one: hostctl users:add you@example.com --admin")
    return user


def _peer_uid(request: web.Request) -> int:
    transport = request.transport
    peer = transport.get_extra_info("socket") if transport is not None else None
    if peer is None or peer.family != socket.AF_UNIX:
        raise Unauthorized("hostd's API listens on a unix socket only.")
    _pid, uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(uid)
