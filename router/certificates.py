"""Certificates: which one a client is shown, by the name that it asks for (SNI), loaded when it is first asked for.

While a certificate authority wants to see that a name is ours (ACME, TLS-ALPN-01, RFC 8737), it is shown another one
there than everybody else, being told from them by the one protocol that it offers.

In the folder lie `cert.pem` and `key.pem`, shown to whoever asks for a name without a certificate of its own, and for
each of the others a file `<id>.pem`: key and chain. What such a file holds never changes, and the route table says
which host has which. What lies beside it as `<id>.ocsp` is given out with it; the id of the first one is made of its
text, as for the others.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from router.openssl import Control, control
from router.stapling import forget_expired, staple
from router.tickets import Tickets, seal_with

CERTIFICATE, KEY = "cert.pem", "key.pem"

KEPT = 512
"""Certificates that a worker keeps loaded; each takes some 20 KB, and a millisecond to load again."""

# Mozilla's "intermediate" (wiki.mozilla.org/Security/Server_Side_TLS); of TLS 1.2 without the DHE suites, which only
# clients of before 2014 need; those of TLS 1.3 are OpenSSL's own three. The client's order counts.
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
_GROUPS = b"X25519MLKEM768:" * (ssl.OPENSSL_VERSION_INFO >= (3, 5)) + b"X25519:P-256:P-384"
_PROTOCOLS = ["h2", "http/1.1"]
"""What is spoken after the handshake (ALPN)."""
PROOF = "acme-tls/1"
"""What is agreed upon with a certificate authority, after which nothing is said (RFC 8737, 3)."""
_PROOF_ALONE = b"\x00\x10\x00\x0d\x00\x0b\x0a" + PROOF.encode()
"""The part of a ClientHello that offers this and nothing else (RFC 7301, 3.1), as an authority must."""
_CLIENT_HELLO = ("read", 22, 1)
"""Direction, type of content and of message (RFC 8446, B.3)."""


class Certificates:
    """What a worker shows on https.

    `of_host` gives the id of a host's certificate, "" for the default one; `proof_of` that of the one that only a
    certificate authority is shown, "" without one; `say` tells the operator what is wrong. A connection keeps the
    certificate that it began with.
    """

    def __init__(
        self,
        folder: Path,
        of_host: Callable[[str], str],
        say: Callable[[str], object],
        *,
        proof_of: Callable[[str], str] = lambda host: "",
        tickets: Tickets | None = None,
        kept: int = KEPT,
    ) -> None:
        self.context = _context(_PROTOCOLS)
        """For the listening socket: each connection gets another in the middle of its handshake."""
        self.context.sni_callback = self._choose
        # Where that cannot be done there are two groups more, X448 and P-521, which are slow and no less safe.
        control(self.context, Control.GROUPS, 0, _GROUPS)
        self._folder = folder
        self._of_host = of_host
        self._proof_of = proof_of
        self._watching = False
        self._say = say
        self._tickets = tickets
        self._kept = kept
        self._default: ssl.SSLContext | None = None
        self._default_is: tuple[int, ...] = ()
        self._default_id = ""
        self._ticket_key = b""
        self._loaded: dict[str, ssl.SSLContext] = {}
        self._unusable: set[str] = set()

    @property
    def ready(self) -> bool:
        """Whether there is a default certificate, without which https is not served."""
        return self._default is not None

    @property
    def loaded(self) -> int:
        """How many certificates beside the default one are loaded now."""
        return len(self._loaded)

    def refresh(self) -> None:
        """Use the default certificate, the tickets' key and what authorities say of certificates as they lie on the
        disk now; what cannot be used is told."""
        certificate, key = self._folder / CERTIFICATE, self._folder / KEY
        try:
            found = certificate.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            self._say(f"The certificate in {self._folder} cannot be read: {error}")
            return
        identity = (found.st_ino, found.st_mtime_ns, found.st_size)
        if identity != self._default_is:
            if (fresh := self._load("the default certificate", certificate, key, _PROTOCOLS)) is not None:
                self._default, self._default_is = fresh, identity
                with suppress(OSError):
                    self._default_id = sha256(certificate.read_text(errors="replace").encode()).hexdigest()[:32]
            self._unusable.clear()
        self._seal_tickets()
        if self._default is not None and self._default_id:
            self._staple(self._default_id, self._default)
        for known, context in self._loaded.items():
            self._staple(known, context)
        forget_expired()

    def watch(self, proving: bool) -> None:
        """Tell authorities from visitors from now on, or stop doing so: it costs visitors a little."""
        if proving is not self._watching:
            # Python's ssl shows nothing else of what a client offers before the certificate is chosen.
            self.context._msg_callback = self._hear if proving else None  # type: ignore[attr-defined]
            self._watching = proving

    def of(self, host: str | None) -> ssl.SSLContext | None:
        """The context for a name that a client asks for; None for those who name none, without a default one."""
        known = self._of_host(host) if host else ""
        context = self._kept_or_loaded(known, f"the certificate of {host}", _PROTOCOLS) if known else None
        return context or self._default

    def _kept_or_loaded(self, known: str, what: str, protocols: Sequence[str]) -> ssl.SSLContext | None:
        context = self._loaded.pop(known, None)
        if context is None:
            path = self._folder / f"{known}.pem"
            context = self._load(what, path, path, protocols)
            if context is None:
                return None
            self._staple(known, context)
        # The one that was asked for last stands last: the first is the one to go.
        self._loaded[known] = context
        if len(self._loaded) > self._kept:
            del self._loaded[next(iter(self._loaded))]
        return context

    def _hear(self, connection: Any, direction: str, _version: int, kind: int, message: int, data: bytes) -> None:
        """Called with each message of a handshake, as long as that has not been given another context."""
        if (direction, kind, message) == _CLIENT_HELLO and _PROOF_ALONE in data:
            connection.wants_proof = True

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, host: str | None, _listening: ssl.SSLContext) -> None:
        connection.asked_for = host  # type: ignore[union-attr]
        context = None
        if host and getattr(connection, "wants_proof", False) and (known := self._proof_of(host)):
            context = self._kept_or_loaded(known, f"the proof of {host}", [PROOF])
        context = context or self.of(host)
        if context is not None:
            connection.context = context

    def _load(self, what: str, certificate: Path, key: Path, protocols: Sequence[str]) -> ssl.SSLContext | None:
        context = _context(protocols)
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            if certificate.name not in self._unusable:
                self._unusable.add(certificate.name)
                self._say(f"{what[0].upper()}{what[1:]} in {self._folder} cannot be used: {error}")
            return None
        return context

    def _staple(self, known: str, context: ssl.SSLContext) -> None:
        try:
            staple(context, self._folder / f"{known}.ocsp")
        except OSError as error:
            self._say(f"What its authority says of the certificate {known} cannot be given out: {error}")

    def _seal_tickets(self) -> None:
        if self._tickets is None:
            return
        try:
            key = self._tickets.key()
        except OSError as error:
            self._say(f"Session tickets are this worker's alone: {error}")
            return
        if key != self._ticket_key and seal_with(self.context, key):
            self._ticket_key = key


def _context(protocols: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(protocols)
    return context
