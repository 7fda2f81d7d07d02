"""Stapling: in a handshake, along with a certificate, what its authority says of it (OCSP, RFC 6066, 8).

The file `<id>.ocsp` lies beside the certificate's, and is made out to be of the time until which it is good. Clients
get it that ask for it. Where OpenSSL cannot be told so, nobody does.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from router.openssl import Control, control, inner, library

_STATUS_CALLBACK, _STATUS_ANSWER = 63, 71
"""Commands of SSL_CTX_callback_ctrl(3) and SSL_ctrl(3), by their numbers in openssl/tls1.h."""
_OK, _NOTHING = 0, 3
"""SSL_TLSEXT_ERR_OK, SSL_TLSEXT_ERR_NOACK."""


def staple(context: ssl.SSLContext, path: Path) -> bool:
    """Give out the answer that lies there, if a good one does, with the certificate of this context; False where that
    cannot be done. `path` is `<id>.ocsp`, the id being in hex. Raises OSError for an answer that cannot be read."""
    stapler = _stapler()
    return stapler is not None and stapler.give(context, path)


def forget_expired() -> None:
    """Let go of answers that are not good any more, as of certificates that are not served now."""
    if (stapler := _stapler()) is not None:
        stapler.forget_expired()


@cache
def _stapler() -> Stapler | None:
    # It is never let go: OpenSSL calls it as long as there are connections.
    tls, crypto = library("ssl"), library("crypto")
    return Stapler(tls, crypto) if tls and crypto else None


class Stapler:
    """Called by OpenSSL when a client wants an answer. `tls` and `crypto` are the libraries that Python's ssl uses."""

    def __init__(self, tls: Any, crypto: Any) -> None:
        import ctypes

        self._move = ctypes.memmove
        self._room, self._say, self._register = crypto.CRYPTO_malloc, tls.SSL_ctrl, tls.SSL_CTX_callback_ctrl
        self._room.argtypes, self._room.restype = (ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        self._say.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p)
        self._register.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(self._asked)
        self._address = ctypes.cast(self._callback, ctypes.c_void_p)
        self._answers: dict[int, tuple[bytes, float]] = {}
        """Answers, and until when they are good, by what is left of the certificate's id in 56 bits."""

    def give(self, context: ssl.SSLContext, path: Path) -> bool:
        """Give out the answer at `path` with this context's certificate from now on."""
        known = int(path.stem[:14], 16)
        with suppress(FileNotFoundError):
            if (until := path.stat().st_mtime) > time.time():
                if self._answers.get(known, (b"", 0.0))[1] != until:
                    self._answers[known] = path.read_bytes(), until
                control(context, Control.STATUS_ARGUMENT, 0, known)
                return bool(self._register(inner(context), _STATUS_CALLBACK, self._address))
        self._answers.pop(known, None)
        return False

    def forget_expired(self) -> None:
        """Let go of answers that are not good any more."""
        now = time.time()
        self._answers = {known: answer for known, answer in self._answers.items() if answer[1] > now}

    def _asked(self, connection: int, known: int | None) -> int:
        answer, until = self._answers.get(known or 0, (b"", 0.0))
        if until <= time.time() or not (room := self._room(len(answer), None, 0)):
            return _NOTHING
        self._move(room, answer, len(answer))
        # What it is given now belongs to OpenSSL.
        return _OK if self._say(connection, _STATUS_ANSWER, len(answer), room) else _NOTHING
