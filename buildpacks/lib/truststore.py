"""A Java truststore from a bundle of certificates in PEM: `truststore.py BUNDLE STORE`.

The format is JKS, which every Java since 1.2 reads whatever the store's name is, with Debian's and Java's own
password for it, "changeit". It guards nothing: the certificates are public, and nothing else is in the store.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import struct
import sys
from pathlib import Path

_MAGIC = 0xFEEDFEED
_VERSION = 2
_TRUSTED_CERTIFICATE = 2
_PHRASE = "changeit"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def keystore(bundle: str) -> bytes:
    """The store with every certificate of the PEM text *bundle*; the same text gives the same bytes."""
    certificates = sorted({ssl.PEM_cert_to_DER_cert(pem) for pem in _PEM.findall(bundle)})
    body = struct.pack(">III", _MAGIC, _VERSION, len(certificates)) + b"".join(map(_entry, certificates))
    # The digest as sun.security.provider.JavaKeyStore makes it.
    return body + hashlib.sha1(_PHRASE.encode("utf-16-be") + b"Mighty Aphrodite" + body, usedforsecurity=False).digest()


def _entry(certificate: bytes) -> bytes:
    alias = hashlib.sha256(certificate).hexdigest()
    date = struct.pack(">Q", 0)
    content = struct.pack(">I", len(certificate)) + certificate
    return struct.pack(">I", _TRUSTED_CERTIFICATE) + _text(alias) + date + _text("X.509") + content


def _text(text: str) -> bytes:
    encoded = text.encode("ascii")
    return struct.pack(">H", len(encoded)) + encoded


if __name__ == "__main__":
    source, target = sys.argv[1:]
    Path(target).write_bytes(keystore(Path(source).read_text(errors="replace")))
