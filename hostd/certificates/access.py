"""Access: where a certificate says that something about it is to be had (RFC 5280, 4.2.2.1). Pure."""

from __future__ import annotations

from cryptography import x509


def place(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> str | None:
    """The first address that is named for this (AuthorityInformationAccessOID); None if there is none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    named = (access.access_location for access in found if access.access_method == method)
    return next((each.value for each in named if isinstance(each, x509.UniformResourceIdentifier)), None)
