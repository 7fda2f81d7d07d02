"""Connections of drains: to an address that was judged, and to no other; over TLS to a server that proves its name."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from hostd.logplex.drains.destinations import Destination
from hostd.logplex.drains.failures import Undelivered
from hostd.reach import Address, is_own, is_public, written

SECONDS = 10.0
"""For the name, the connection and the TLS handshake together."""
USER_TIMEOUT_MS = 30_000
"""Milliseconds after which a connection whose other end acknowledges nothing is given up (tcp(7))."""
LONGEST_ANSWER = 64 * 1024
_RESOLVERS = 4

Network = IPv4Network | IPv6Network
Resolve = Callable[[str], Awaitable[Sequence[Address]]]


@dataclass(frozen=True, slots=True)
class Judge:
    """Which addresses drains may connect to: the Internet's, and those in `allowed`."""

    allowed: tuple[Network, ...] = ()
    own: Callable[[Address], bool] = is_own

    def refusal(self, address: Address) -> str | None:
        """Why there may be no connection to an address; None if there may."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if any(address in network for network in self.allowed):
            return None
        if self.own(address):
            return "it leads to this server itself"
        return None if is_public(address) else "it leads to an internal address"

    def refused(self, where: Destination) -> str | None:
        """Why nothing is ever sent to a destination whose host is written as an address; None if that may be, or if
        it is a name, which is judged at each connection."""
        address = written(where.host) if where.host else None
        refusal = self.refusal(address) if address else None
        return _refused(where, refusal) if refusal else None


class Resolver:
    """Asks the system for addresses, in threads of its own: a DNS that does not answer holds up nobody else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, "drain-names")

    async def __call__(self, host: str) -> Sequence[Address]:
        """The addresses of a host, the preferred one first. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _addresses, host)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Wait for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection of a drain; `below` is its transport without TLS."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    below: asyncio.WriteTransport

    @property
    def pending(self) -> int:
        """Bytes that the kernel has not got yet."""
        own = self.writer.transport.get_write_buffer_size() if self.writer.transport is not self.below else 0
        return own + self.below.get_write_buffer_size()

    @property
    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self.writer.transport.is_closing() or self.below.is_closing()

    @property
    def socket(self) -> socket.socket:
        """The socket below."""
        found: socket.socket = self.writer.get_extra_info("socket")
        return found

    def abort(self) -> None:
        """Close it at once; what was not sent is not sent."""
        self.writer.transport.abort()
        self.below.abort()


class Dialer:
    """Connects drains."""

    def __init__(self, judge: Judge, resolve: Resolve, *, seconds: float = SECONDS) -> None:
        self._judge = judge
        self._resolve = resolve
        self._seconds = seconds

    async def connect(self, where: Destination) -> Connection:
        """A connection to one of the host's addresses. Raises Undelivered."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._connect(where)
        except TimeoutError:
            raise Undelivered(f"{where.place} could not be reached within {self._seconds:g} seconds") from None

    async def _connect(self, where: Destination) -> Connection:
        try:
            addresses = await self._resolve(where.host)
        except OSError as error:
            raise Undelivered(f"the name {where.host} leads nowhere: {error.strerror}") from None
        trouble = Undelivered(f"the name {where.host} leads nowhere")
        for address in addresses:
            if refusal := self._judge.refusal(address):
                trouble = Undelivered(_refused(where, refusal))
                continue
            try:
                return await _open(where, address)
            except ssl.SSLCertVerificationError as error:
                why = error.verify_message or "it is not valid"
                raise Undelivered(f"the certificate of {where.place} is refused: {why}", certificate=True) from None
            except ssl.SSLError as error:
                why = (error.reason or "no TLS").replace("_", " ").lower()
                trouble = Undelivered(f"{where.place} does not speak TLS as it should: {why}")
            except OSError as error:
                trouble = Undelivered(f"{where.place} cannot be reached: {why_of(error)}")
        raise trouble


def why_of(error: OSError) -> str:
    """What went wrong, in the system's words: those of asyncio have the address in them."""
    return os.strerror(error.errno) if error.errno else str(error.strerror or type(error).__name__)


def _refused(where: Destination, refusal: str) -> str:
    return f"{where.place} is refused: {refusal}. An operator can allow it with the setting drain_networks"


async def _open(where: Destination, address: Address) -> Connection:
    # Made anew each time: authorities that were added to the system's meanwhile count.
    context = ssl.create_default_context() if where.encrypted else None
    reader, writer = await asyncio.open_connection(str(address), where.port, limit=LONGEST_ANSWER)
    connection = Connection(reader, writer, writer.transport)
    try:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if context is not None:
            await writer.start_tls(context, server_hostname=where.host)
    except BaseException:
        connection.abort()
        raise
    return connection


def _addresses(host: str) -> list[Address]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [ip_address(str(where[0]).partition("%")[0]) for _, _, _, _, where in found]
