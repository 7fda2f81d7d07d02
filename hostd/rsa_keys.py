"""How long the RSA keys of users are; for the command line too, which is without the ledger where it is alone."""

from __future__ import annotations

import base64

SMALLEST_RSA = 3072
"""Bits that a new key must have: as NIST SP 800-57 wants for 2031 and later. Older keys may have fewer."""


def rsa_bits(public_key: str) -> int | None:
    """The bits of an RSA key, `TYPE BASE64`, which was found good before; None for a key of another kind."""
    kind, _, rest = public_key.partition(" ")
    if kind != "ssh-rsa":
        return None
    raw = base64.b64decode(rest.partition(" ")[0])
    # Three times a length of four bytes and as many bytes: the type, the exponent, the modulus (RFC 4253, 6.6).
    part = b""
    for _ in range(3):
        length = int.from_bytes(raw[:4])
        part, raw = raw[4 : 4 + length], raw[4 + length :]
    return int.from_bytes(part).bit_length()
