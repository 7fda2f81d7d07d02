"""Certificates for tests: an authority of our own, and servers' certificates in every state of disrepair."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from hostd.fetching import Unfetchable

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return key_pem(self.key)


def key_pem(key: Any, password: bytes | None = None, *, traditional: bool = False) -> str:
    seal = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, seal).decode()


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(
    *names: str,
    issuer: Made | None = None,
    authority: bool = False,
    common_name: str | None = None,
    key: Any = None,
    starts: datetime.datetime = NOW - DAY,
    ends: datetime.datetime = NOW + 90 * DAY,
    hash_: hashes.HashAlgorithm | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    issuer_at: str = "http://ca.test/intermediate.crt",
    responder: str | None = None,
    must_staple: bool = False,
) -> Made:
    """A certificate for these names; without an issuer it signs itself. `responder` is who can be asked about it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = named(common_name or (names[0] if names else "nobody"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    signer = issuer.key if issuer else key
    known = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(known, critical=False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if authority:
        usages = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        builder = builder.add_extension(
            x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usages), critical=True
        )
    else:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    if issuer:
        where = x509.UniformResourceIdentifier(issuer_at)
        access = [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)]
        if responder:
            place = x509.UniformResourceIdentifier(responder)
            access.append(x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place))
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    return Made(builder.sign(signer, hash_ or hashes.SHA256()), key)


def root() -> Made:
    return make(authority=True, common_name="Test root", ends=NOW + 3650 * DAY)


def intermediate(of: Made) -> Made:
    return make(authority=True, common_name="Test intermediate", issuer=of, ends=NOW + 1000 * DAY)


def said_of(
    made: Made,
    issuer: Made,
    *,
    signer: Made | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    at: datetime.datetime = NOW,
    until: datetime.datetime | None = NOW + 4 * DAY,
) -> bytes:
    """What a responder says of a certificate (OCSP)."""
    signer = signer or issuer
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        made.certificate, issuer.certificate, hashes.SHA1(), status, at, until, at if revoked else None, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if signer is not issuer:
        builder = builder.certificates([signer.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


async def nothing_fetched(address: str, *kinds: str) -> bytes:
    """A Web in which nobody is there."""
    raise Unfetchable("nobody is there")
