"""Requests: new keys, requests for certificates, and certificates that sign themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key(rsa_bits: int | None = None) -> PrivateKey:
    """A new private key: ECDSA with P-256, or RSA of so many bits."""
    if rsa_bits is None:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)


def subject_of(
    common_name: str, *, owner: str | None = None, country: str | None = None, area: str | None = None,
    city: str | None = None,
) -> x509.Name:  # fmt: skip
    """Who a certificate is for. Raises ValueError for what cannot stand in one: a country has two letters."""
    known = (
        (NameOID.COUNTRY_NAME, country),
        (NameOID.STATE_OR_PROVINCE_NAME, area),
        (NameOID.LOCALITY_NAME, city),
        (NameOID.ORGANIZATION_NAME, owner),
        # 64 characters are the most that fit (RFC 5280, ub-common-name); the names that count are elsewhere.
        (NameOID.COMMON_NAME, common_name if len(common_name) <= 64 else None),
    )
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in known if value])


def signing_request(key: PrivateKey, subject: x509.Name, names: Sequence[str]) -> str:
    """A request for a certificate (PKCS #10), as PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(_names(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def self_signed(
    key: PrivateKey, subject: x509.Name, names: Sequence[str], *, now: datetime, days: int,
    more: Sequence[x509.ExtensionType] = (),
) -> str:  # fmt: skip
    """A certificate that signs itself, as PEM; what is in `more` is critical."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(_names(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
