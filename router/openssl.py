"""OpenSSL: what Python's ssl has no word for, said to the library itself.

Only with a CPython whose SSLContext begins with its SSL_CTX (Modules/_ssl.c), and on the very library that Python's ssl
uses. Tried with 3.11 and OpenSSL 3.0, as in Debian 12, and 3.13 and OpenSSL 3.5, as in Debian 13.
"""

from __future__ import annotations

import os
import ssl
import sys
from enum import IntEnum

_KNOWN = ((3, 11), (3, 13))
"""The first and the last version of CPython of which that is known."""


class Control(IntEnum):
    """Commands of SSL_CTX_ctrl(3), by their numbers in openssl/ssl.h."""

    TICKET_KEYS = 59
    GROUPS = 92


def control(context: ssl.SSLContext, command: Control, number: int, data: bytes) -> bool:
    """Carry out a command on a context; False where that cannot be done."""
    if sys.implementation.name != "cpython" or not _KNOWN[0] <= sys.version_info[:2] <= _KNOWN[1]:
        return False
    import ctypes

    try:
        # Another copy of the library would not understand the context, so none is loaded here.
        library = ctypes.CDLL(f"libssl.so.{ssl.OPENSSL_VERSION_INFO[0]}", mode=os.RTLD_LAZY | os.RTLD_NOLOAD)
        function = library.SSL_CTX_ctrl
    except (OSError, AttributeError):
        return False
    function.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    function.restype = ctypes.c_long
    inner = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    return bool(function(inner, command, number, data))
