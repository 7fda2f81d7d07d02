"""Authorities: who signed what, and whom this system trusts."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

log = logging.getLogger(__name__)

SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Authorities:
    """The authorities that this system trusts, as browsers do more or less; read when they are first needed."""

    def __init__(self, path: Path = SYSTEM) -> None:
        self._path = path

    @cached_property
    def roots(self) -> Sequence[x509.Certificate]:
        """Their certificates; none if there is no list, which is told in the log."""
        try:
            blocks = _BLOCK.findall(self._path.read_bytes())
        except OSError as error:
            log.warning("the list of certificate authorities cannot be read: %s", error)
            return ()
        found = []
        with warnings.catch_warnings():
            # Some old roots break rules; that is their authorities' matter, and the system's who has them.
            warnings.simplefilter("ignore")
            for block in blocks:
                try:
                    found.append(x509.load_pem_x509_certificate(block))
                except ValueError as error:
                    log.debug("an authority in %s cannot be read: %s", self._path, error)
        return found

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether one of them has signed it itself."""
        return self.issuer(certificate) is not None

    def issuer(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """The one that has signed it itself."""
        named = (root for root in self.roots if root.subject == certificate.issuer)
        return next((root for root in named if signed(certificate, root)), None)

    def trust(self, chain: Sequence[x509.Certificate], name: str, now: datetime) -> bool:
        """Whether the chain of a server of that name leads to one of them, now."""
        if not name or not self.roots:
            return False
        try:
            subject = x509.DNSName(name.replace("*", "any", 1))
            verifier = PolicyBuilder().store(self._store).time(now).build_server_verifier(subject)
            verifier.verify(chain[0], list(chain[1:]))
        except (VerificationError, ValueError):
            return False
        return True

    @cached_property
    def _store(self) -> Store:
        return Store(list(self.roots))


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a certificate was signed with the key of another, by name and by signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate was signed with its own key."""
    return certificate.subject == certificate.issuer and signed(certificate, certificate)
