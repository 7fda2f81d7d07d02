"""PEM: certificates and private keys, taken out of whatever text people have. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from hostd.errors import Invalid

LARGEST = 256 * 1024
"""Characters."""
MOST_BLOCKS = 20

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_DER = re.compile(r"^0[\x80-\x84]", re.MULTILINE)

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
    blocks = _BLOCK.findall(text)
    if len(blocks) < len(_BEGIN.findall(text)):
        raise Invalid("A block of the PEM text has no end: a line -----END ...----- is missing. Was it copied whole?")
    if len(blocks) > MOST_BLOCKS:
        raise Invalid(f"That is too much: {len(blocks)} certificates and keys. Give one chain and its key.")
    for label, inside in blocks:
        block = f"-----BEGIN {label}-----{inside}-----END {label}-----\n"
        if label in _CERTIFICATES:
            certificates[_certificate(block.replace("X509 CERTIFICATE", "CERTIFICATE"))] = None
        elif label == "ENCRYPTED PRIVATE KEY" or "Proc-Type: 4,ENCRYPTED" in inside:
            raise Invalid(_ENCRYPTED)
        elif label in _KEYS:
            keys.append(_key(block))
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
        found.public_key()
        list(found.extensions)
    except (ValueError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType) as error:
        raise Invalid(f"A certificate cannot be read: {_first_line(error)}. Was it copied whole?") from error
    return found


def _key(block: str) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(block.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # What the library says may name parts of the key.
        raise Invalid("The private key cannot be read: it is damaged or of an unknown kind.") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")[:200]
