"""OCSP (RFC 6960): what is asked of the authority of a certificate, and whether its answer may be believed. Pure.

The answer says that the certificate is not revoked, and is sent along in handshakes ("stapled").
"""

from __future__ import annotations

import base64
from datetime import datetime
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from hostd.certificates.access import place
from hostd.certificates.authorities import signed

KIND = "application/ocsp-response"
MOST_BYTES = 16 * 1024
"""Of an answer, which is sent in handshakes; most have less than two."""


class Unfit(Exception):  # noqa: N818 - says what it is
    """An answer that is not to be sent along; why, without a full stop. `revoked`: nor is the certificate any good."""

    def __init__(self, reason: str, *, revoked: bool = False) -> None:
        self.revoked = revoked
        super().__init__(reason)


def responder(certificate: x509.Certificate) -> str | None:
    """Where a certificate says that it can be asked about; None if it does not."""
    return place(certificate, AuthorityInformationAccessOID.OCSP)


def must_staple(certificate: x509.Certificate) -> bool:
    """Whether clients are to refuse a certificate that comes without an answer (RFC 7633)."""
    try:
        features = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
    except x509.ExtensionNotFound:
        return False
    return x509.TLSFeatureType.status_request in features


def address(asked: str, certificate: x509.Certificate, issuer: x509.Certificate) -> str:
    """What is asked, as an address (RFC 6960, A.1); with SHA-1, as all responders want it (RFC 5019, 2.1.1)."""
    question = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()  # noqa: S303
    return f"{asked.rstrip('/')}/{quote(base64.b64encode(question.public_bytes(Encoding.DER)), safe='')}"


def good_until(answer: bytes, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> datetime:
    """Until when an answer says that a certificate is good. Raises Unfit."""
    if len(answer) > MOST_BYTES:
        raise Unfit(f"it is longer than {MOST_BYTES >> 10} KiB")
    try:
        return _good_until(ocsp.load_der_ocsp_response(answer), certificate, issuer, now)
    except ValueError as error:
        # What is wrong with it may show when it is looked at, as when it is about several certificates.
        raise Unfit("it is no OCSP answer about one certificate") from error


def _good_until(
    found: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
) -> datetime:
    if found.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Unfit(f"the responder refuses to answer ({found.response_status.name})")
    if found.serial_number != certificate.serial_number:
        raise Unfit("it is about another certificate")
    if not _signed_for(found, issuer, now):
        raise Unfit("it is not signed by the certificate's authority")
    if found.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        raise Unfit("the certificate is revoked", revoked=True)
    if found.certificate_status is not ocsp.OCSPCertStatus.GOOD:
        raise Unfit("the responder does not know the certificate")
    until = found.next_update_utc
    if until is None or not found.this_update_utc <= now < until:
        raise Unfit("it is not of now")
    return until


def _signed_for(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> bool:
    """Whether an issuer has signed an answer, or let somebody sign for it (RFC 6960, 4.2.2.2)."""
    deputies = [each for each in answer.certificates if _may_sign(each, issuer, now)]
    return any(_signed(answer, each) for each in (issuer, *deputies))


def _may_sign(deputy: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        usage = deputy.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    within = deputy.not_valid_before_utc <= now < deputy.not_valid_after_utc
    return within and ExtendedKeyUsageOID.OCSP_SIGNING in usage and signed(deputy, issuer)


def _signed(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    try:
        key, digest = signer.public_key(), answer.signature_hash_algorithm
        if digest is None:
            return False
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(digest))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
