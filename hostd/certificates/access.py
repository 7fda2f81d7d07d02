"""Access: where a certificate says that something about it is to be had (RFC 5280, 4.2.2.1). Pure."""

from __future__ import annotations

import re

from cryptography import x509

_ADDRESS = re.compile(r"[!-~]{1,2000}")
"""Nothing else stands in a URI (RFC 3986, 2), and this goes to logs and terminals; certificates may have anything."""


def place(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> str | None:
    """The first address that is named for this (AuthorityInformationAccessOID); None if there is none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    named = (access.access_location for access in found if access.access_method == method)
    places = (each.value for each in named if isinstance(each, x509.UniformResourceIdentifier))
    return next((each for each in places if _ADDRESS.fullmatch(each)), None)
