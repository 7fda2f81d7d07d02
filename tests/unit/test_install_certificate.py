"""The self-signed certificate."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from hostd.install.certificate import RENEW, VALID, _check_pair, _is_stale, _load, self_signed
from hostd.install.errors import InstallError

NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)


def test_it_is_for_the_domain_and_all_names_below_it():
    certificate = x509.load_pem_x509_certificate(self_signed("apps.example.com", NOW)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "apps.example.com",
        "*.apps.example.com",
        "api.apps.example.com",
        "git.apps.example.com",
    ]


def test_it_is_made_anew_for_another_domain_and_before_its_end(tmp_path):
    path = tmp_path / "cert.pem"
    path.write_bytes(self_signed("one.example", NOW)[0])
    assert not _is_stale(path, "one.example", NOW)
    assert _is_stale(path, "two.example", NOW)
    assert _is_stale(path, "one.example", NOW + VALID - RENEW + datetime.timedelta(days=1))
    assert _load(path).not_valid_before_utc < NOW


def test_it_is_made_anew_where_it_lacks_a_name(tmp_path, monkeypatch):
    path = tmp_path / "cert.pem"
    with monkeypatch.context() as before:
        before.setattr("hostd.install.certificate._names", lambda domain: [domain, f"*.{domain}"])
        path.write_bytes(self_signed("one.example", NOW)[0])
    assert _is_stale(path, "one.example", NOW)


def test_a_key_of_another_certificate_is_not_given_to_the_router(tmp_path):
    (tmp_path / "cert.pem").write_bytes(self_signed("one.example", NOW)[0])
    (tmp_path / "key.pem").write_bytes(self_signed("one.example", NOW)[1])
    with pytest.raises(InstallError, match=r"key.pem is not the key of .*cert.pem"):
        _check_pair(tmp_path)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path):
    certificate, key = self_signed("one.example", NOW)
    (tmp_path / "cert.pem").write_bytes(certificate)
    form, seal = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    opened = serialization.load_pem_private_key(key, None)
    (tmp_path / "key.pem").write_bytes(opened.private_bytes(serialization.Encoding.PEM, form, seal))
    with pytest.raises(InstallError, match="encrypted"):
        _check_pair(tmp_path)
    (tmp_path / "key.pem").write_bytes(key)
    _check_pair(tmp_path)
