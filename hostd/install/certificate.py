"""The certificate with which the router speaks https: the operator's, else one that this machine signs itself.

The operator's place is `master/tls/`; the router, which may not look in there, reads a copy.
"""

import datetime
import logging
import os
import pwd
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hostd.install import authority
from hostd.install.errors import InstallError
from hostd.settings import Settings

log = logging.getLogger(__name__)

CERTIFICATE, KEY = "cert.pem", "key.pem"
AUTHORITY, AUTHORITY_KEY = "authority.pem", "authority-key.pem"
LOCALHOST, LOCALHOST_KEY = "localhost.pem", "localhost-key.pem"
OURS = "hostd, signed by itself"
"""The issuer's name by which a certificate of our own is told from the operator's."""
VALID = datetime.timedelta(days=825)
RENEW = datetime.timedelta(days=30)


def prepare_certificate(settings: Settings, now: datetime.datetime | None = None) -> str:
    """Make sure that the router has a certificate for `domain` and `*.domain`; returns what it is, for people.

    A certificate of our own is made anew when the domain has changed or 30 days before it ends; the operator's
    is never touched. Raises InstallError for files that are no certificate and key.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    source = settings.tls_dir
    source.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (source / CERTIFICATE).exists() or _is_stale(source / CERTIFICATE, settings.domain, now):
        _write(source, *self_signed(settings.domain, now))
    certificate = _load(source / CERTIFICATE)
    if not (source / KEY).is_file():
        raise InstallError(f"{source / KEY} is missing: put the key of {source / CERTIFICATE} there")
    _check_pair(source)
    _copy(source, settings.router_tls_dir, "hostd-router")
    _copy(source, settings.rendezvous_dir, "hostd-rendezvous")
    _prepare_localhost(settings, now)
    whose = "signed by itself: browsers warn" if _is_ours(certificate) else "the operator's"
    return f"https with the certificate in {source}, {whose}, until {certificate.not_valid_after_utc:%Y-%m-%d}"


def own_certificate(settings: Settings) -> str:
    """Bring the certificate up to date while hostd runs; its chain as PEM, "" for none. What is wrong is logged."""
    try:
        prepare_certificate(settings)
        return (settings.tls_dir / CERTIFICATE).read_text()
    except (InstallError, OSError, ValueError) as error:
        log.error("the platform's own certificate cannot be used: %s", error)
        return ""


def self_signed(domain: str, now: datetime.datetime) -> tuple[bytes, bytes]:
    """A certificate for a domain and all names below it, and its key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, OURS)])
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in _names(domain)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, pkcs8, plain),
    )


def _is_stale(path: Path, domain: str, now: datetime.datetime) -> bool:
    certificate = _load(path)
    if not _is_ours(certificate):
        return False
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lacking = set(_names(domain)) - set(names.get_values_for_type(x509.DNSName))
    return bool(lacking) or certificate.not_valid_after_utc - now < RENEW


def _names(domain: str) -> list[str]:
    # Clients take a wildcard right below a top-level name for none: of `localhost` the platform's own names are said.
    return [domain, f"*.{domain}", f"api.{domain}", f"git.{domain}"]


def _is_ours(certificate: x509.Certificate) -> bool:
    return any(name.value == OURS for name in certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME))


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise InstallError(f"{path} is no certificate in PEM form: {error}") from error


def _check_pair(directory: Path) -> None:
    # Of a key that is encrypted OpenSSL would ask whoever sits at the terminal for the passphrase.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            directory / CERTIFICATE, directory / KEY, password=lambda: ""
        )
    except (OSError, ValueError) as error:
        raise InstallError(
            f"{directory / KEY} is not the key of {directory / CERTIFICATE}, or is encrypted: {error}"
        ) from error


def _write(directory: Path, certificate: bytes, key: bytes) -> None:
    _replace(directory / KEY, key, 0o600)
    _replace(directory / CERTIFICATE, certificate, 0o644)


def _prepare_localhost(settings: Settings, now: datetime.datetime) -> None:
    """Make the authority for `localhost`, and its certificate for the rendezvous, where they lack or end soon."""
    source, target = settings.tls_dir, settings.rendezvous_dir
    if not _is_good(source / AUTHORITY, now) or not (source / AUTHORITY_KEY).is_file():
        certificate, key = authority.new_authority(now)
        _replace(source / AUTHORITY_KEY, key, 0o600)
        _replace(source / AUTHORITY, certificate, 0o644)
    signing = (source / AUTHORITY).read_bytes()
    leaf = target / LOCALHOST
    if _is_good(leaf, now) and authority.issued_by(leaf.read_bytes(), signing) and (target / LOCALHOST_KEY).is_file():
        return
    certificate, key = authority.signed_for_localhost(signing, (source / AUTHORITY_KEY).read_bytes(), now)
    group = pwd.getpwnam("hostd-rendezvous").pw_gid
    _replace(target / LOCALHOST_KEY, key, 0o640, group)
    _replace(leaf, certificate, 0o640, group)


def _is_good(path: Path, now: datetime.datetime) -> bool:
    return path.is_file() and not authority.ends_soon(path.read_bytes(), now)


def _copy(source: Path, target: Path, user: str) -> None:
    group = pwd.getpwnam(user).pw_gid
    for name in (KEY, CERTIFICATE):
        content = (source / name).read_bytes()
        if not (target / name).exists() or (target / name).read_bytes() != content:
            _replace(target / name, content, 0o640, group)


def _replace(path: Path, content: bytes, mode: int, group: int = 0) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), 0, group)
        os.fchmod(file.fileno(), mode)
    fresh.replace(path)
