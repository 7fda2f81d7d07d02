"""Affinity: the cookie by which a client comes back to the dyno that it had. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

COOKIE = b"heroku-session-affinity"


def token(key: str, dyno: str) -> bytes:
    """What stands for a dyno in the cookie: nobody without the key can tell which, or make one up."""
    return hmac.digest(bytes.fromhex(key), dyno.encode(), "sha256").hex()[:32].encode()


def tokens(cookies: Sequence[bytes]) -> list[bytes]:
    """The values of the cookie in the Cookie fields of a request."""
    pairs = (pair.strip().partition(b"=") for value in cookies for pair in value.split(b";"))
    return [value for name, _, value in pairs if name == COOKIE]


def line(value: bytes, *, secure: bool) -> bytes:
    """The line that gives a client the cookie, until its browser ends; `secure`: only to be sent over https."""
    return b"Set-Cookie: %b=%b; Path=/; HttpOnly%b\r\n" % (COOKIE, value, b"; Secure" if secure else b"")
