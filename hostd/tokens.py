"""The token that a request brings with it. Pure."""

from __future__ import annotations

import base64
import binascii

_LONGEST = 1024


def token_in(header: str | None, *, name_too: bool = False) -> str | None:
    """The token of an `Authorization` header: `Bearer TOKEN`, or `Basic` with any name and the token as password.

    With `name_too`, a name without a password is taken for the token. None without one, or if it cannot be read.
    """
    kind, _, value = (header or "").strip().partition(" ")
    value = value.strip()
    if kind.lower() == "bearer":
        token = value
    elif kind.lower() == "basic":
        try:
            name, _, token = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        if name_too:
            token = token or name
    else:
        return None
    return token if 0 < len(token) <= _LONGEST else None
