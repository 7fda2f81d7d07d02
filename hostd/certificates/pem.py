"""PEM: certificates and private keys, taken out of whatever text people have. Pure."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from hostd.errors import Invalid

LARGEST = 256 * 1024
"""Characters."""
MOST_BLOCKS = 20
MOST_KEYS = 2
LARGEST_RSA = 8192
"""Bits. What is larger takes seconds to make and to check, and no authority signs it."""
_LARGEST_EXPONENT = 64
"""Bits of the public exponent, as OpenSSL has it for large keys: all signatures of a chain are checked with it."""

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_DER = re.compile(r"^0[\x80-\x84]", re.MULTILINE)

_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
_OIDS = (b"*\x86H\x86\xf7\r\x01\x01\x01", b"*\x86H\x86\xf7\r\x01\x01\n", b"*\x86H\xce=\x02\x01", b"+ep", b"+eq")
_KNOWN = re.compile(
    rb"\x30" + _LENGTH + rb"\x02\x01[\x00\x01]\x30" + _LENGTH
    + b"(?:" + b"|".join(re.escape(bytes([6, len(oid)]) + oid) for oid in _OIDS) + b")",
    re.DOTALL,
)  # fmt: skip
"""How a key in PKCS #8 (RFC 5958) begins that is RSA, RSA-PSS, ECDSA, Ed25519 or Ed448."""

_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE")
_KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY")
_PASSED_OVER = ("EC PARAMETERS", "DH PARAMETERS")
_NOT_USABLE = {
    "CERTIFICATE REQUEST": "a request for a certificate. Send it to a certificate authority, and add what comes back.",
    "NEW CERTIFICATE REQUEST": "a request for a certificate. Send it to a certificate authority, and add the answer.",
    "TRUSTED CERTIFICATE": "in a form of OpenSSL's own. Make it a plain one: openssl x509 -in FILE -out server.crt",
    "OPENSSH PRIVATE KEY": "an ssh key. What is needed is the key with which the certificate was requested.",
    "PUBLIC KEY": "a public key. What is needed is the private one.",
    "PKCS7": "a PKCS#7 bundle. Take the certificates out: openssl pkcs7 -print_certs -in FILE -out server.crt",
}
_ENCRYPTED = (
    "The private key is encrypted with a passphrase, and the router has nobody to ask for it. "
    "Take the passphrase off: openssl pkey -in server.key -out open.key  (hostd keeps keys encrypted by itself)"
)
_UNREADABLE = (
    "The private key cannot be read: it is damaged, or of a kind that browsers do not know; they know RSA and ECDSA."
)
_BINARY = (
    "This is no PEM text but a binary file. A certificate (DER): openssl x509 -inform der -in FILE -out server.crt. "
    "A .p12 or .pfx: openssl pkcs12 -in FILE -nodes -out server.pem, which holds certificate and key."
)


@dataclass(frozen=True, slots=True)
class Material:
    """What was found, in the order in which it was given; no certificate twice."""

    certificates: tuple[x509.Certificate, ...]
    keys: tuple[PrivateKeyTypes, ...] = field(repr=False)


def read(text: str) -> Material:
    """The certificates and private keys of a text. Raises Invalid for what is there and cannot be used."""
    if len(text) > LARGEST:
        raise Invalid(f"That is too much: certificates and a key take at most {LARGEST // 1024} KB.")
    certificates: dict[x509.Certificate, None] = {}
    keys: list[PrivateKeyTypes] = []
    begun = len(_BEGIN.findall(text))
    # Before the ends are looked for, which takes the longer the more there are without.
    if begun > MOST_BLOCKS:
        raise Invalid(f"That is too much: {begun} certificates and keys. Give one chain and its key.")
    blocks = _BLOCK.findall(text)
    if len(blocks) < begun:
        raise Invalid("A block of the PEM text has no end: a line -----END ...----- is missing. Was it copied whole?")
    for label, inside in blocks:
        block = f"-----BEGIN {label}-----{inside}-----END {label}-----\n"
        if label in _CERTIFICATES:
            certificates[_certificate(block.replace("X509 CERTIFICATE", "CERTIFICATE"))] = None
        elif label == "ENCRYPTED PRIVATE KEY" or "Proc-Type: 4,ENCRYPTED" in inside:
            raise Invalid(_ENCRYPTED)
        elif label in _KEYS:
            if len(keys) == MOST_KEYS:
                raise Invalid(f"That is too much: more than {MOST_KEYS} private keys. Give one chain and its key.")
            keys.append(_key(label, inside))
        elif label not in _PASSED_OVER:
            raise Invalid(f"The block {label} is {_NOT_USABLE.get(label, 'neither a certificate nor a private key.')}")
    if not certificates and _DER.search(text):
        raise Invalid(_BINARY)
    return Material(tuple(certificates), tuple(keys))


def certificates_text(certificates: tuple[x509.Certificate, ...]) -> str:
    """Certificates as PEM."""
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)


def key_text(key: PrivateKeyTypes) -> str:
    """A private key as PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _certificate(block: str) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(block.encode())
        # Nothing is read before it is asked for.
        key = found.public_key()
        list(found.extensions)
    except (ValueError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType) as error:
        raise Invalid(f"A certificate cannot be read: {_first_line(error)}. Was it copied whole?") from error
    if isinstance(key, rsa.RSAPublicKey):
        _refuse_large(key)
    return found


def _key(label: str, inside: str) -> PrivateKeyTypes:
    """A private key. Nothing here may take long, in a thread neither: the library lets no other thread run meanwhile.

    So it is not to look whether the factors of an RSA key are primes; that they are the key's is enough to know that
    it is not damaged. Nor may it see a key of DSA or DH, to whatever size that is computed when it is read.
    """
    try:
        if label != "PRIVATE KEY":
            block = f"-----BEGIN {label}-----{inside}-----END {label}-----\n"
            key = serialization.load_pem_private_key(block.encode(), None, unsafe_skip_rsa_key_validation=True)
        elif _KNOWN.match(der := b64decode("".join(inside.split()), validate=True)):
            key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        else:
            raise Invalid(_UNREADABLE)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # What the library says may name parts of the key.
        raise Invalid(_UNREADABLE) from error
    if isinstance(key, rsa.RSAPrivateKey):
        _refuse_large(key.public_key())
        if not _whole(key.private_numbers()):
            raise Invalid(_UNREADABLE)
    return key


def _refuse_large(key: rsa.RSAPublicKey) -> None:
    if key.key_size > LARGEST_RSA:
        raise Invalid(
            f"The RSA key has {key.key_size} bits; at most {LARGEST_RSA} are taken. "
            "Make another: hostctl certs:generate DOMAIN"
        )
    if key.public_numbers().e.bit_length() > _LARGEST_EXPONENT:
        raise Invalid(f"The RSA key's public exponent has more than {_LARGEST_EXPONENT} bits; most have 65537.")


def _whole(own: rsa.RSAPrivateNumbers) -> bool:
    """Whether the numbers of a key belong together (RFC 8017, 3.2)."""
    n, e = own.public_numbers.n, own.public_numbers.e
    if not (1 < own.p < n and 1 < own.q < n and own.d < n and own.p * own.q == n):
        return False
    halves = ((own.p, own.dmp1), (own.q, own.dmq1))
    one_each = all(e * own.d % (prime - 1) == e * part % (prime - 1) == 1 and part < prime for prime, part in halves)
    return one_each and own.iqmp < own.p and own.iqmp * own.q % own.p == 1


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")[:200]
