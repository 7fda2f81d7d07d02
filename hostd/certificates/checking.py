"""Checking: is this a certificate that browsers will take, and is this its key? Pure but for the list of authorities.

What can only be a mistake is refused, saying what it is; what may be meant is taken with a warning.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from hostd.certificates.access import place
from hostd.certificates.authorities import Authorities, self_signed, signed
from hostd.certificates.ocsp import must_staple, responder
from hostd.certificates.pem import Material, certificates_text, key_text, read
from hostd.errors import Invalid

SMALLEST_RSA = 2048
"""Bits (CA/Browser Forum, Baseline Requirements, 6.1.5)."""
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate that can be served: `chain` begins with it and goes up to, but without, the root; both are PEM."""

    chain: str
    key: str = field(repr=False)
    fingerprint: str
    names: tuple[str, ...]
    starts_at: datetime
    expires_at: datetime
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What people want to know of a certificate; `issuer` and `subject` as `C=US; O=Example; CN=www.example.com`."""

    issuer: str
    subject: str
    self_signed: bool
    trusted: bool
    key: str
    chain_length: int
    names: tuple[str, ...]
    expires_at: datetime


def check(chain: str, key: str, *, now: datetime, authorities: Authorities) -> Checked:
    """Judge a certificate with its chain and key, in whatever order they come. Raises Invalid, saying what is wrong."""
    given = read(f"{chain}\n{key}")
    leaf, own = _pair(given)
    _refuse_dates(leaf, now)
    _refuse_use(leaf)
    _refuse_bare(leaf)
    line, left = _line(leaf, given.certificates)
    for certificate in line:
        _refuse_weak(certificate)
    names = names_of(leaf)
    if not names:
        raise Invalid("The certificate names no host. Get one that has the app's domains as subjectAltName.")
    about_leaf = (*_about_key(leaf), *_about_ocsp(leaf))
    warnings = [*_about_names(leaf, names), *_about_chain(line, left, authorities), *about_leaf]
    if len(line) > 1 and self_signed(line[-1]):
        # Clients have roots, or do not believe in them: sending one is of no use.
        line = line[:-1]
    return Checked(
        chain=certificates_text(tuple(line)),
        key=key_text(own),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        names=names,
        starts_at=leaf.not_valid_before_utc,
        expires_at=leaf.not_valid_after_utc,
        warnings=tuple(warnings),
    )


def describe(chain: str, *, now: datetime, authorities: Authorities) -> Description:
    """What can be said of a chain that was checked before."""
    line = x509.load_pem_x509_certificates(chain.encode())
    return Description(
        issuer=_distinguished(line[0].issuer),
        subject=_distinguished(line[0].subject),
        self_signed=self_signed(line[0]),
        trusted=authorities.trust(line, next(iter(names_of(line[0])), ""), now),
        key=_kind(line[0].public_key()),
        chain_length=len(line),
        names=names_of(line[0]),
        expires_at=line[0].not_valid_after_utc,
    )


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts that a certificate is for, in lower case; without any its common name, as Heroku does."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [name.lower().removesuffix(".") for name in found.get_values_for_type(x509.DNSName)]
    except x509.ExtensionNotFound:
        names = [common.lower()] if (common := _common_name(certificate.subject)) else []
    return tuple(dict.fromkeys(name for name in names if _HOST.fullmatch(name)))


def _pair(given: Material) -> tuple[x509.Certificate, PrivateKeyTypes]:
    if not given.certificates:
        raise Invalid("There is no certificate in this: no block -----BEGIN CERTIFICATE-----.")
    if not given.keys:
        raise Invalid("There is no private key in this: no block -----BEGIN PRIVATE KEY-----.")
    own = {_public(key.public_key()): key for key in given.keys}
    for certificate in given.certificates:
        if key := own.get(_public(certificate.public_key())):
            return certificate, key
    first = _title(given.certificates[0])
    raise Invalid(
        f"The private key is not that of the certificate ({first}): give the key with which it was requested. "
        "These two must print the same: openssl x509 -noout -pubkey -in server.crt; openssl pkey -pubout -in server.key"
    )


def _line(
    leaf: x509.Certificate, given: Sequence[x509.Certificate]
) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """The certificates in their order, each signed by the next; and those that have no place among them."""
    line, left = [leaf], [each for each in given if each != leaf]
    while not self_signed(line[-1]):
        issuer = next((each for each in left if signed(line[-1], each)), None)
        if issuer is None:
            break
        line.append(issuer)
        left.remove(issuer)
    return line, left


def _refuse_dates(leaf: x509.Certificate, now: datetime) -> None:
    if now >= leaf.not_valid_after_utc:
        raise Invalid(
            f"The certificate ({_title(leaf)}) expired on {leaf.not_valid_after_utc:%Y-%m-%d}: browsers refuse it. "
            "Renew it."
        )
    if now < leaf.not_valid_before_utc:
        raise Invalid(
            f"The certificate ({_title(leaf)}) is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on, "
            f"and now it is {now:%Y-%m-%d %H:%M} UTC. Add it then."
        )


def _refuse_use(leaf: x509.Certificate) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        raise Invalid(f"The certificate ({_title(leaf)}) is not for servers: its extended key usage has no serverAuth.")


def _refuse_bare(leaf: x509.Certificate) -> None:
    if must_staple(leaf) and responder(leaf) is None:
        raise Invalid(
            f"The certificate ({_title(leaf)}) must come with an OCSP answer (must-staple), and names nobody who gives "
            "one: browsers refuse it. Request one without that."
        )


def _refuse_weak(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
        raise Invalid(
            f"The key of {_title(certificate)} has {key.key_size} bits; browsers refuse RSA keys of less than "
            f"{SMALLEST_RSA}. Make another: hostctl certs:generate DOMAIN"
        )
    odd = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _CURVES
    if odd or isinstance(key, dsa.DSAPublicKey):
        raise Invalid(
            f"Browsers do not know the kind of key that {_title(certificate)} has ({_kind(key)}). "
            "Make another: hostctl certs:generate DOMAIN"
        )
    try:
        weak = isinstance(certificate.signature_hash_algorithm, _WEAK_HASHES)
    except UnsupportedAlgorithm:
        weak = True
    if weak and not self_signed(certificate):
        raise Invalid(f"{_title(certificate)} is signed by way of a broken hash (MD5 or SHA-1): browsers refuse it.")


def _about_names(leaf: x509.Certificate, names: Sequence[str]) -> list[str]:
    try:
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return [f"{names[0]} is only the certificate's common name; browsers want it as subjectAltName and refuse it."]
    return []


def _about_chain(
    line: Sequence[x509.Certificate], left: Sequence[x509.Certificate], authorities: Authorities
) -> list[str]:
    told = []
    last = line[-1]
    if len(line) == 1 and self_signed(last):
        told.append("The certificate is signed by itself: browsers warn of it.")
    elif not self_signed(last) and not authorities.issued(last):
        told.append(
            f"The chain is not complete: the certificate of {_title_of(last.issuer)}, which signed {_title(last)}, is "
            f"missing, so that some clients refuse it. {_where(last)}"
        )
    told += [f"{_title(each)} does not belong to the chain and was left out." for each in left]
    return told


def _about_key(leaf: x509.Certificate) -> list[str]:
    if isinstance(leaf.public_key(), ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return [f"Browsers do not take {_kind(leaf.public_key())} keys yet; curl and other programs do."]
    return []


def _about_ocsp(leaf: x509.Certificate) -> list[str]:
    if must_staple(leaf):
        return [
            "The certificate must come with an OCSP answer (must-staple): browsers refuse it until hostd has got that, "
            f"which takes some minutes, and when {responder(leaf)} gives none for days."
        ]
    return []


def _where(certificate: x509.Certificate) -> str:
    """Where an issuer's certificate is to be had, as the certificate itself says."""
    where = place(certificate, AuthorityInformationAccessOID.CA_ISSUERS)
    if where is None:
        return "Its authority has it; put it behind the certificate, in the same file."
    get = f"curl {shlex.quote(where)} | openssl x509 -inform der"
    return f"hostd cannot get it. Get it ({get}) and put it behind the certificate."


def _public(key: CertificatePublicKeyTypes | object) -> bytes:
    form: Callable[..., bytes] = key.public_bytes  # type: ignore[union-attr]
    return form(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _kind(key: object) -> str:
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {key.curve.name}"
        case _:
            return type(key).__name__.lstrip("_").removesuffix("PublicKey")


def _distinguished(name: x509.Name) -> str:
    return "; ".join(f"{part.rfc4514_attribute_name}={part.value!s}" for part in name)


def _common_name(name: x509.Name) -> str:
    return next((str(part.value) for part in name.get_attributes_for_oid(NameOID.COMMON_NAME)), "")


def _title(certificate: x509.Certificate) -> str:
    return _title_of(certificate.subject) or ", ".join(names_of(certificate)[:3]) or "without a name"


def _title_of(name: x509.Name) -> str:
    return _common_name(name) or _distinguished(name)
