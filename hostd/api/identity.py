"""Who asks: at the unix socket the kernel says which uid is at the other end, and root and git say whom they speak for;
at the other doors nobody is known without a token."""

from __future__ import annotations

import enum
import pwd
import socket
import struct
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from hostd.api.caller import Caller, Door
from hostd.api.limits import Lockout
from hostd.api.requests import CALLER, USER, context_of, is_open, pattern_of
from hostd.api.scopes import permits
from hostd.errors import Forbidden, NotFound, RateLimited, Unauthorized
from hostd.ledger import Ledger
from hostd.ledger.users import User
from hostd.tokens import token_in
from units.tcp_owner import owner_of_peer

USER_HEADER = "Hostd-User"
ADDRESS_HEADER = "Hostd-Address"
INTERNAL = ("/hostd/ssh/", "/hostd/git/", "/hostd/pushes")
"""Paths for hostd's own programs, which ask before there is a user, or name one themselves; at the socket only."""
ROUTER_USER = "hostd-router"

NOBODY_YET = User(
    id="00000000-0000-0000-0000-000000000000",
    email="root@localhost",
    name="root",
    admin=True,
    created_at=datetime.fromtimestamp(0, UTC),
)
"""Whom root stands for until the first admin is added."""

NO_CREDENTIALS = (
    "There were no credentials in your `Authorization` header. Try `Authorization: Bearer TOKEN` or "
    "`Authorization: Basic BASE64`, of any name, a colon and the token. Make a token on the server or over ssh: "
    "hostctl authorizations:create"
)
WRONG_CREDENTIALS = "Invalid credentials provided."

_UCRED = struct.Struct("3i")


class Role(enum.Enum):
    """What a peer of the socket is trusted with."""

    ROOT = "root"
    GIT = "git"


@dataclass(frozen=True, slots=True)
class Peers:
    """The uids that may use the API's socket, and in which role; and the router's, whose word on addresses counts."""

    root: int = 0
    git: int | None = None
    router: int | None = None
    owner: Callable[[socket.socket], int | None] = owner_of_peer

    @classmethod
    def of_system(cls) -> Peers:
        """Root, and the users git and hostd-router if there are any."""
        return cls(git=_uid("git"), router=_uid(ROUTER_USER))

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
LOCKOUT: web.AppKey[Lockout] = web.AppKey("lockout", Lockout)
_routers: weakref.WeakKeyDictionary[object, bool] = weakref.WeakKeyDictionary()
"""Which connections are the router's: whose one is does not change."""


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse strangers; let handlers know their caller (`requests.caller_of`), but for what is internal or public."""
    peer = _peer(request)
    if peer.family == socket.AF_UNIX:
        role = request.app[PEERS].role(_uid_of(peer))
        named = request.headers.get(USER_HEADER)
        if not request.path.startswith(INTERNAL) and (named or not is_open(request)):
            user = user_for(context_of(request).ledger, role, named)
            _know(request, Caller(user, Door.SOCKET, address_said(request) or ("ssh" if role is Role.GIT else "local")))
        return await handler(request)
    if request.path.startswith(INTERNAL):
        raise NotFound(f"There is nothing at {request.method} {request.path}.")
    _refuse_foreign_pages(request)
    if not is_open(request):
        caller = _with_token(request, *_door(request, peer))
        if caller.authorization is not None and not permits(
            caller.authorization.scope, request.method, pattern_of(request)
        ):
            raise Forbidden(
                f"This token is good for {', '.join(caller.authorization.scope)} only, which does not cover "
                f"{request.method} {request.path}. Make one that does: hostctl authorizations:create"
            )
        _know(request, caller)
    return await handler(request)


def address_said(request: web.Request) -> str | None:
    """From where a command came over ssh, as hostd's own programs say; None if they do not, or it is no address."""
    try:
        return str(ip_address(request.headers.get(ADDRESS_HEADER, "")))
    except ValueError:
        return None


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


def caller_with(request: web.Request, token: str, door: Door, address: str) -> Caller:
    """Who has a token. Raises Unauthorized, and RateLimited for an address that guesses."""
    lockout, ledger = request.app[LOCKOUT], context_of(request).ledger
    wait, known = lockout.wait(address), ledger.authorizations.by_token(token)
    # Behind one address may be many: who came from there before with a token that is right is not kept waiting.
    if wait and not (known is not None and known[0].used_from == address):
        raise RateLimited(f"Too many wrong tokens came from your address. Try again in {wait} s.", retry_after=wait)
    if known is None:
        lockout.wrong(address, token)
        raise Unauthorized(WRONG_CREDENTIALS)
    authorization, user = known
    ledger.authorizations.used(authorization, address)
    return Caller(user, door, address, authorization)


def _with_token(request: web.Request, door: Door, address: str) -> Caller:
    token = token_in(request.headers.get("Authorization"))
    if token is None:
        raise Unauthorized(NO_CREDENTIALS)
    return caller_with(request, token, door, address)


def _door(request: web.Request, peer: socket.socket) -> tuple[Door, str]:
    """Which door it is and the client's address; that the router names is believed of the router alone."""
    transport = request.transport
    if transport not in _routers:
        peers = request.app[PEERS]
        _routers[transport] = peers.router is not None and peers.owner(peer) == peers.router
    if _routers[transport]:
        return Door.ROUTER, request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or "unknown"
    return Door.LOOPBACK, str(request.remote)


def _refuse_foreign_pages(request: web.Request) -> None:
    """A browser says which page asks. No page of another site has any business here."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2].lower() != request.host.lower():
        raise Forbidden("Pages of other sites may not use this API.")


def _know(request: web.Request, caller: Caller) -> None:
    request[USER], request[CALLER] = caller.user, caller


def _peer(request: web.Request) -> socket.socket:
    transport = request.transport
    peer: socket.socket | None = transport.get_extra_info("socket") if transport is not None else None
    if peer is None:
        raise Unauthorized("The connection is gone.")
    return peer


def asking_process(request: web.Request) -> int | None:
    """The process that asks at the unix socket; None at the other doors."""
    peer = _peer(request)
    if peer.family != socket.AF_UNIX:
        return None
    pid, _uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(pid)


def _uid_of(peer: socket.socket) -> int:
    _pid, uid, _gid = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(uid)


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
