"""OpenSSL: what Python's ssl has no word for, said to the library itself.

Only with a CPython whose SSLContext begins with its SSL_CTX (Modules/_ssl.c), and on the very library that Python's ssl
uses. Tried with 3.11 and OpenSSL 3.0, as in Debian 12, and 3.13 and OpenSSL 3.5, as in Debian 13.
"""

from __future__ import annotations

import os
import ssl
import sys
from enum import IntEnum
from functools import cache
from typing import Any

_KNOWN = ((3, 11), (3, 13))
"""The first and the last version of CPython of which that is known."""


class Control(IntEnum):
    """Commands of SSL_CTX_ctrl(3), by their numbers in openssl/ssl.h."""

    TICKET_KEYS = 59
    STATUS_ARGUMENT = 64
    GROUPS = 92


def control(context: ssl.SSLContext, command: Control, number: int, data: bytes | int) -> bool:
    """Carry out a command on a context, with bytes or an address; False where that cannot be done."""
    found = library("ssl")
    return found is not None and bool(found.SSL_CTX_ctrl(inner(context), command, number, data))


def inner(context: ssl.SSLContext) -> int | None:
    """The address of the SSL_CTX of a context. Only where there is a `library`."""
    import ctypes

    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value


@cache
def library(name: str) -> Any:
    """The copy of `ssl` or `crypto` that Python uses; None where that cannot be told."""
    if sys.implementation.name != "cpython" or not _KNOWN[0] <= sys.version_info[:2] <= _KNOWN[1]:
        return None
    import ctypes

    try:
        # Another copy of the library would not understand the context, so none is loaded here.
        found = ctypes.CDLL(f"lib{name}.so.{ssl.OPENSSL_VERSION_INFO[0]}", mode=os.RTLD_LAZY | os.RTLD_NOLOAD)
        if name == "ssl":
            found.SSL_CTX_ctrl.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p)
            found.SSL_CTX_ctrl.restype = ctypes.c_long
    except (OSError, AttributeError):
        return None
    return found
