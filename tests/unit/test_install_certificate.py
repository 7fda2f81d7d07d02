"""The self-signed certificate."""

import datetime

from cryptography import x509

from hostd.install.certificate import RENEW, VALID, _is_stale, _load, self_signed

NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)


def test_it_is_for_the_domain_and_all_names_below_it():
    certificate = x509.load_pem_x509_certificate(self_signed("apps.example.com", NOW)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["apps.example.com", "*.apps.example.com"]


def test_it_is_made_anew_for_another_domain_and_before_its_end(tmp_path):
    path = tmp_path / "cert.pem"
    path.write_bytes(self_signed("one.example", NOW)[0])
    assert not _is_stale(path, "one.example", NOW)
    assert _is_stale(path, "two.example", NOW)
    assert _is_stale(path, "one.example", NOW + VALID - RENEW + datetime.timedelta(days=1))
    assert _load(path).not_valid_before_utc < NOW
