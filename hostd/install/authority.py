"""The platform's own authority, good for this machine's own name alone, and the certificate for `localhost` by it.

A client that reaches the platform through a tunnel connects to `localhost`, for which no other authority signs. Who
trusts this one (`NODE_EXTRA_CA_CERTS`) trusts it for `localhost` only, as its certificate says (RFC 5280, 4.2.1.10).
"""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = "hostd's own authority for localhost"
VALID = datetime.timedelta(days=3650)
LEAF_VALID = datetime.timedelta(days=825)
RENEW = datetime.timedelta(days=60)
_ADDRESSES = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))


def new_authority(now: datetime.datetime) -> tuple[bytes, bytes]:
    """An authority's certificate and key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    networks = [x509.IPAddress(ipaddress.ip_network(address)) for address in _ADDRESSES]
    certificate = (
        _begun(name, name, key.public_key(), now, VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName("localhost"), *networks], None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def signed_for_localhost(authority: bytes, authority_key: bytes, now: datetime.datetime) -> tuple[bytes, bytes]:
    """A certificate for `localhost` and its addresses by an authority, and its key, all as PEM."""
    issuer = x509.load_pem_x509_certificate(authority)
    signing = serialization.load_pem_private_key(authority_key, None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not one of ours")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), *(x509.IPAddress(address) for address in _ADDRESSES)]
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _begun(subject, issuer.subject, key.public_key(), now, min(LEAF_VALID, issuer.not_valid_after_utc - now))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(signing, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def ends_soon(certificate: bytes, now: datetime.datetime) -> bool:
    """Whether a certificate has to be made anew."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc - now < RENEW


def issued_by(certificate: bytes, authority: bytes) -> bool:
    """Whether an authority has signed a certificate."""
    try:
        x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except Exception:  # noqa: BLE001 - cryptography raises four kinds, all of which mean no
        return False
    return True


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    valid: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + valid)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain, pkcs8 = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
