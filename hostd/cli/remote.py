"""The door of another machine: the API over https with a token, or over http on the loopback interface."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hostd.cli.command import Refused, Usage
from hostd.errors import HostdError, Unavailable
from hostd.places import API_SOCKET

CONNECT_SECONDS = 10.0
DEFAULT_PORTS = {"https": 443, "http": 80}
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""A stream that is silent for hours is told from a network that is gone: seconds, seconds, probes."""
_NAME = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an API is: `https://api.example.com`, `http://127.0.0.1:7070`."""

    scheme: str
    name: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """From an address, or a domain whose API is meant: `example.com`. Raises Usage.

        A token goes over https only, but to this machine itself.
        """
        given = text.strip()
        bare = "://" not in given
        try:
            parts = urlsplit(f"//{given}" if bare else given)
            name, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            name, port, parts = "", None, urlsplit("")
        if parts.username or parts.path.strip("/") or parts.query or not _NAME.fullmatch(name):
            raise Usage(f"{text!r} is no address of a server: write one such as example.com or https://api.example.com.")
        own = is_loopback(name)
        scheme = parts.scheme or ("http" if own else "https")
        if bare and not own and not name.startswith("api."):
            name = f"api.{name}"
        if scheme not in DEFAULT_PORTS:
            raise Usage(f"A server is reached by https, not {scheme}.")
        if scheme == "http" and not own:
            raise Usage(f"A token must not go over http to {name}: everybody on the way could read it. Use https.")
        return cls(scheme, name, port or DEFAULT_PORTS[scheme])

    @property
    def host(self) -> str:
        """Name and port, without a port that needs not be said."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"


def is_loopback(name: str) -> bool:
    """True for names that always mean this machine (RFC 6761, 6.3)."""
    return name in _LOOPBACK or name.endswith(".localhost")


def reach(name: str, port: int) -> socket.socket:
    """A TCP connection. Names below localhost mean this machine also where its resolver does not know that."""
    # "localhost" may mean ::1 first, where nobody listens: create_connection tries both.
    name = "localhost" if name.endswith(".localhost") else name
    return socket.create_connection((name, port), CONNECT_SECONDS)


@dataclass(slots=True)
class Remote:
    """The API at an address, as whoever has the token; without a token, for addresses that are signed."""

    address: Address
    token: str | None = field(repr=False)
    is_local: bool = False

    @property
    def host(self) -> str:
        """What stands in the header Host."""
        return self.address.host

    def headers(self, user: str | None) -> dict[str, str]:
        """The token; a user cannot be named here."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def connect(self, socket_name: str, timeout: float | None) -> socket.socket:
        """A connection to the API, the only one of hostd's sockets that can be reached from elsewhere."""
        if socket_name != API_SOCKET:
            raise Refused(f"This works only on the server itself or over ssh, not over {self.address.scheme}.")
        sock = reach(self.address.name, self.address.port)
        try:
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE.items():
                if (number := getattr(socket, option, None)) is not None:
                    sock.setsockopt(socket.IPPROTO_TCP, number, value)
            return self._secured(sock) if self.address.scheme == "https" else sock
        except BaseException:
            sock.close()
            raise

    def failed(self, error: OSError, socket_name: str) -> HostdError:
        """No such host, nobody there, or a certificate that is not trusted."""
        import ssl

        if isinstance(error, ssl.SSLCertVerificationError):
            reason = error.verify_message.rstrip(".")
            return Unavailable(
                f"The certificate of {self.host} is not trusted: {reason}. Nothing was sent.\n"
                "For a server with a certificate of its own making, set SSL_CERT_FILE to a file with it; "
                "or go by ssh: ssh git@HOST COMMAND"
            )
        if isinstance(error, socket.gaierror):
            return Unavailable(f"There is no host {self.address.name}. Check HOSTD_HOST, or log in: hostctl login")
        return Unavailable(f"{self.address} does not answer: {error.strerror or error}.")

    def _secured(self, sock: socket.socket) -> socket.socket:
        import ssl

        return ssl.create_default_context().wrap_socket(sock, server_hostname=self.address.name)
