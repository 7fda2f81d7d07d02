"""Completing a chain: certificates of issuers that somebody forgot are fetched from where those below them say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from hostd.certificates.access import place
from hostd.certificates.authorities import Authorities, self_signed, signed
from hostd.certificates.checking import Checked, check
from hostd.certificates.pem import certificates_text
from hostd.fetching import Fetch, Unfetchable

MOST = 3
"""Certificates that are fetched for a chain."""
KINDS = ("application/pkix-cert", "application/x-x509-ca-cert", "application/pem-certificate-chain",
         "application/octet-stream")  # fmt: skip
"""What authorities say that a certificate is."""


async def judge(chain: str, key: str, *, now: datetime, authorities: Authorities, fetch: Fetch) -> Checked:
    """As `check`, with what is missing in the chain, as far as it is to be had. Raises Invalid."""
    judged = check(chain, key, now=now, authorities=authorities)
    missing = await _missing(x509.load_pem_x509_certificates(judged.chain.encode())[-1], authorities, fetch)
    if not missing:
        return judged
    return check(f"{chain}\n{certificates_text(tuple(missing))}", key, now=now, authorities=authorities)


async def _missing(last: x509.Certificate, authorities: Authorities, fetch: Fetch) -> Sequence[x509.Certificate]:
    """What comes after the last certificate of a chain, up to an authority that this system trusts, or to a root."""
    found: list[x509.Certificate] = []
    while len(found) < MOST and not self_signed(last) and not authorities.issued(last):
        where = place(last, AuthorityInformationAccessOID.CA_ISSUERS)
        if where is None:
            break
        try:
            above = _certificate(await fetch(where, *KINDS))
        except (Unfetchable, ValueError):
            # Then it stays as it is, and `check` says what is missing.
            break
        if not signed(last, above):
            break
        found.append(last := above)
    return found


def _certificate(text: bytes) -> x509.Certificate:
    if text.startswith(b"-----"):
        return x509.load_pem_x509_certificate(text)
    return x509.load_der_x509_certificate(text)
