"""The platform's own authority, which is good for localhost alone."""

import datetime
import ssl

import pytest
from cryptography import x509

from hostd.install.authority import LEAF_VALID, ends_soon, issued_by, new_authority, signed_for_localhost

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def authority():
    return new_authority(NOW)


def test_it_signs_for_localhost(authority):
    certificate, _ = signed_for_localhost(*authority, NOW)
    names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert issued_by(certificate, authority[0])
    assert not issued_by(certificate, new_authority(NOW)[0])


def test_it_says_itself_that_it_is_good_for_nothing_else(authority):
    limits = x509.load_pem_x509_certificate(authority[0]).extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical and limits.value.excluded_subtrees is None
    assert [str(name.value) for name in limits.value.permitted_subtrees] == ["localhost", "127.0.0.1/32", "::1/128"]


def test_a_certificate_is_made_anew_before_its_end(authority):
    certificate, _ = signed_for_localhost(*authority, NOW)
    assert not ends_soon(certificate, NOW)
    assert ends_soon(certificate, NOW + LEAF_VALID - datetime.timedelta(days=30))


def test_who_trusts_it_can_begin(authority, tmp_path):
    certificate, key = signed_for_localhost(*authority, datetime.datetime.now(datetime.UTC))
    (tmp_path / "c").write_bytes(certificate)
    (tmp_path / "k").write_bytes(key)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(tmp_path / "c", tmp_path / "k")
    theirs = ssl.create_default_context(cadata=authority[0].decode())
    shake(ours, theirs, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(ours, theirs, "other.example")


def shake(ours, theirs, name):
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = theirs.wrap_bio(down, up, server_hostname=name), ours.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() is not None
