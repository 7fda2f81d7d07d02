"""Where a drain leads: its address, taken apart and judged, and as it may be shown. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address
from urllib.parse import SplitResult, unquote, urlsplit

from hostd.errors import Invalid

LONGEST = 2048
"""Characters of an address."""
_MASK = "***"
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_FILE = re.compile(r"[A-Za-z0-9._@+-]{1,200}")
# Many services put the token of an account into the path.
_SECRET_SEGMENT = re.compile(r"(?=[^/]*\d)[A-Za-z0-9_.~%+=-]{16,}")


class Kind(Enum):
    """How a drain is spoken to; the scheme of its address."""

    SYSLOG = "syslog"
    SYSLOG_TLS = "syslog+tls"
    HTTP = "http"
    HTTPS = "https"
    FILE = "file"
    JOURNAL = "journal+https"


OPERATORS = frozenset({Kind.FILE, Kind.JOURNAL})
"""Kinds that only an admin may add: they write to this server, or say more than an app's lines."""
_PORTS = {Kind.SYSLOG: 514, Kind.SYSLOG_TLS: 6514, Kind.HTTP: 80, Kind.HTTPS: 443, Kind.JOURNAL: 19532}
_WEB = frozenset({Kind.HTTP, Kind.HTTPS, Kind.JOURNAL})
_ENCRYPTED = frozenset({Kind.SYSLOG_TLS, Kind.HTTPS, Kind.JOURNAL})


@dataclass(frozen=True, slots=True)
class Destination:
    """A drain's address: `host` is a name or an address, `target` a path with its query, or the name of a file.

    `credentials` is the value of an `Authorization` header, or "".
    """

    kind: Kind
    host: str = ""
    port: int = 0
    target: str = field(default="", repr=False)
    credentials: str = field(default="", repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.kind in _ENCRYPTED

    @property
    def place(self) -> str:
        """As errors speak of it: `logs.example.com:6514`, or a file's name. No secret is in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if host else self.target


def destination(url: str) -> Destination:
    """Take a drain's address apart; raises Invalid, without repeating it, for one that cannot work."""
    if len(url) > LONGEST:
        raise Invalid(f"The address of a drain has at most {LONGEST} characters.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise Invalid("The address of a drain has no blanks, and letters and digits of ASCII: write others as %..")
    try:
        parts = urlsplit(url)
        kind = Kind(parts.scheme)
    except ValueError:
        known = ", ".join(f"{each.value}://" for each in Kind if each not in OPERATORS)
        raise Invalid(f"This is not the address of a drain. It begins with one of {known}.") from None
    if parts.fragment or url.endswith("#"):
        raise Invalid("The address of a drain has no part after #.")
    if kind is Kind.FILE:
        return _file(parts)
    host, port = parts.hostname or "", _port(parts)
    if not _HOST.fullmatch(host) and not _is_ipv6(host):
        raise Invalid("The address of a drain names a host: syslog+tls://logs.example.com:6514.")
    if kind not in _WEB:
        if parts.username is not None or parts.path not in ("", "/") or parts.query:
            raise Invalid(f"The address of a syslog drain is a host and a port: {kind.value}://logs.example.com:6514.")
        return Destination(kind, host, port or _PORTS[kind])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if kind is Kind.JOURNAL and target == "/":
        target = "/upload"
    return Destination(kind, host, port or _PORTS[kind], target, _credentials(parts))


def masked(url: str) -> str:
    """The address with what may be secret in it masked: user and password, a query's values, tokens in the path."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{_MASK}@{host}" if "@" in parts.netloc else host
    path = "/".join(_MASK if _SECRET_SEGMENT.fullmatch(part) else part for part in parts.path.split("/"))
    if parts.scheme == Kind.FILE.value:
        path = parts.path
    pieces = [piece.partition("=") for piece in parts.query.split("&")] if parts.query else []
    query = "&".join(f"{name}={_MASK}" if equals else _MASK for name, equals, _ in pieces)
    return f"{parts.scheme}://{netloc}{path}" + (f"?{query}" if query else "")


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise Invalid("The port of a drain is 1 to 65535.")
    return port


def _file(parts: SplitResult) -> Destination:
    if parts.netloc or parts.query:
        raise Invalid("The address of a file has three slashes: file:///hello.log.")
    names = parts.path.split("/")[1:]
    if not names or not all(_FILE.fullmatch(name) and not name.startswith(".") for name in names):
        raise Invalid("A drain's file is named by letters, digits and . _ @ + -, such as file:///hello.log.")
    return Destination(Kind.FILE, target="/".join(names))


def _credentials(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and bool(IPv6Address(text))
    except ValueError:
        return False
