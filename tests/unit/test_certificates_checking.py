"""Which certificates are taken, what is repaired, and what people are told of the others."""

import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from tls_kit import DAY, NOW, intermediate, key_pem, make, root

from hostd.certificates.authorities import Authorities
from hostd.certificates.checking import Checked, check, describe
from hostd.certificates.ocsp import responder
from hostd.errors import Invalid

ROOT = root()
MIDDLE = intermediate(ROOT)
SITE = make("www.example.com", "example.com", issuer=MIDDLE)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory) -> Authorities:
    path = tmp_path_factory.mktemp("authorities") / "roots.crt"
    path.write_text(ROOT.pem)
    return Authorities(path)


def judged(authorities: Authorities, chain: str, key: str, now: datetime.datetime = NOW) -> Checked:
    return check(chain, key, now=now, authorities=authorities)


@pytest.mark.parametrize("chain", [
    SITE.pem + MIDDLE.pem,
    MIDDLE.pem + SITE.pem,
    ROOT.pem + MIDDLE.pem + SITE.pem,
    SITE.pem + MIDDLE.pem + MIDDLE.pem + ROOT.pem,
    f"Bag Attributes\n  friendlyName: x\n{SITE.pem}\r\n{MIDDLE.pem}".replace("\n", "\r\n"),
], ids=["right", "turned round", "root first", "twice", "as OpenSSL prints it"])  # fmt: skip
def test_the_chain_is_put_in_order_and_ends_before_the_root(authorities, chain):
    found = judged(authorities, chain, SITE.key_pem)
    assert found.chain == SITE.pem + MIDDLE.pem
    assert found.warnings == ()
    assert found.names == ("www.example.com", "example.com")
    assert (found.starts_at, found.expires_at) == (NOW - DAY, NOW + 90 * DAY)


def test_all_in_one_text_will_do(authorities):
    everything = SITE.key_pem + MIDDLE.pem + SITE.pem
    assert judged(authorities, everything, "").chain == SITE.pem + MIDDLE.pem
    assert judged(authorities, "", everything).key == SITE.key_pem


def test_key_and_certificate_may_be_given_the_wrong_way_round(authorities):
    assert judged(authorities, SITE.key_pem, SITE.pem + MIDDLE.pem).chain == SITE.pem + MIDDLE.pem


def test_the_key_of_an_older_form_is_kept_in_the_newer(authorities):
    assert judged(authorities, SITE.pem + MIDDLE.pem, key_pem(SITE.key, traditional=True)).key == SITE.key_pem


def test_a_private_key_is_not_shown_by_accident(authorities):
    assert "PRIVATE" not in repr(judged(authorities, SITE.pem, SITE.key_pem))


def test_a_missing_intermediate_is_told_with_its_place(authorities):
    (warning,) = judged(authorities, SITE.pem, SITE.key_pem).warnings
    assert "Test intermediate" in warning
    assert "www.example.com" in warning
    assert "curl http://ca.test/intermediate.crt" in warning


def test_its_place_is_one_word_for_a_shell(authorities):
    made = make("a.test", issuer=MIDDLE, issuer_at="http://ca.test/a;reboot")
    (warning,) = judged(authorities, made.pem, made.key_pem).warnings
    assert "(curl 'http://ca.test/a;reboot' | openssl x509 -inform der)" in warning


@pytest.mark.parametrize("where", ["http://ca.test/\n<0>hostd: all is lost", "http://ca.test/\x1b[2J", "http://a b"])
def test_what_is_no_address_is_shown_nowhere(authorities, where):
    made = make("a.test", issuer=MIDDLE, issuer_at=where)
    (warning,) = judged(authorities, made.pem, made.key_pem).warnings
    assert "http:" not in warning
    assert "Its authority has it" in warning
    assert responder(make("a.test", issuer=MIDDLE, responder=where).certificate) is None


def test_what_does_not_belong_to_the_chain_is_left_out_and_told(authorities):
    other = make("other.test")
    found = judged(authorities, SITE.pem + other.pem + MIDDLE.pem, SITE.key_pem)
    assert found.chain == SITE.pem + MIDDLE.pem
    assert found.warnings == ("other.test does not belong to the chain and was left out.",)


def test_an_impostor_of_the_issuer_is_no_part_of_the_chain(authorities):
    impostor = intermediate(root())
    found = judged(authorities, SITE.pem + impostor.pem, SITE.key_pem)
    assert found.chain == SITE.pem
    assert len(found.warnings) == 2


def test_a_certificate_that_signs_itself_is_taken_with_a_warning(authorities):
    own = make("www.example.com")
    found = judged(authorities, own.pem, own.key_pem)
    assert found.chain == own.pem
    assert "signed by itself" in found.warnings[0]


def test_without_alternative_names_the_common_name_counts(authorities):
    old = make(common_name="WWW.Example.com", issuer=MIDDLE)
    found = judged(authorities, old.pem + MIDDLE.pem, old.key_pem)
    assert found.names == ("www.example.com",)
    assert "subjectAltName" in found.warnings[0]


ENCRYPTED = key_pem(SITE.key, b"secret")
REQUEST = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
SSH = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
STRANGE = "-----BEGIN NOISE-----\nAAAA\n-----END NOISE-----\n"
WEAK = rsa.generate_private_key(65537, 1024)
ENCRYPTED_OLD = key_pem(WEAK, b"secret", traditional=True)
SMALL = make("a.test", key=WEAK)
ODD = make("a.test", key=ec.generate_private_key(ec.SECP256K1()))
DSA = make("a.test", key=dsa.generate_private_key(1024))
GONE = make("gone.test", ends=NOW - DAY, starts=NOW - 2 * DAY)
SOON = make("soon.test", starts=NOW + DAY)
CLIENT = make("client.test", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
NAMELESS = make(common_name="not a host name")


@pytest.mark.parametrize(("chain", "key", "message"), [
    ("", "", "no certificate in this"),
    (SITE.pem, "", "no private key in this"),
    (SITE.key_pem, "", "no certificate in this"),
    (SITE.pem, make("x.test").key_pem, r"not that of the certificate \(www.example.com\).*openssl pkey -pubout"),
    (MIDDLE.pem, SITE.key_pem, r"not that of the certificate \(Test intermediate\)"),
    (SITE.pem, ENCRYPTED, "encrypted with a passphrase.*openssl pkey -in"),
    (SITE.pem, ENCRYPTED_OLD, "encrypted with a passphrase"),
    (REQUEST, SITE.key_pem, "a request for a certificate"),
    (SITE.pem, SSH, "an ssh key"),
    (STRANGE, SITE.key_pem, "neither a certificate nor a private key"),
    (SITE.pem.replace("-----END CERTIFICATE-----", ""), SITE.key_pem, "has no end"),
    (SITE.pem.replace("MII", "MIX", 1), SITE.key_pem, "cannot be read"),
    (SITE.pem, SITE.key_pem.replace("MI", "MX", 1), "private key cannot be read"),
    ("0\x82\x01\x02\x30\x82", SITE.key_pem, "binary file"),
    ("0\x82\x01\x02\x30\x82", "", "binary file.*openssl x509 -inform der.*openssl pkcs12"),
    (SMALL.pem, SMALL.key_pem, "has 1024 bits"),
    (ODD.pem, ODD.key_pem, r"ECDSA secp256k1"),
    (DSA.pem, DSA.key_pem, "of a kind that browsers do not know"),
    (DSA.pem, key_pem(DSA.key, traditional=True), "do not know the kind of key"),
    (GONE.pem, GONE.key_pem, r"gone.test\) expired on 2026-02-28"),
    (SOON.pem, SOON.key_pem, "valid only from 2026-03-02 12:00 UTC on, and now it is 2026-03-01 12:00"),
    (CLIENT.pem, CLIENT.key_pem, "not for servers"),
    (NAMELESS.pem, NAMELESS.key_pem, "names no host"),
    (SITE.pem * 1000, SITE.key_pem, "too much"),
    ("".join(make("a.test").pem for _ in range(25)), SITE.key_pem, "too much"),
])  # fmt: skip
def test_what_cannot_be_served_is_refused_with_the_reason(authorities, chain, key, message):
    with pytest.raises(Invalid, match=message) as refused:
        judged(authorities, chain, key)
    assert "-----BEGIN PRIVATE" not in refused.value.message.replace("no block -----BEGIN PRIVATE KEY-----", "")


def test_a_broken_hash_is_refused(authorities, monkeypatch):
    # No certificate can be made with SHA-1 any more by the library we have; one that was is read as such.
    import hostd.certificates.checking as module

    monkeypatch.setattr(module, "_WEAK_HASHES", (hashes.SHA256,))
    with pytest.raises(Invalid, match=r"www.example.com is signed by way of a broken hash"):
        judged(authorities, SITE.pem + MIDDLE.pem, SITE.key_pem)


def test_keys_that_browsers_do_not_take_are_told(authorities):
    modern = make("a.test", key=ec.generate_private_key(ec.SECP384R1()))
    assert len(judged(authorities, modern.pem, modern.key_pem).warnings) == 1
    strong = make("a.test", key=rsa.generate_private_key(65537, 2048))
    assert len(judged(authorities, strong.pem, strong.key_pem).warnings) == 1


def test_what_is_said_of_a_certificate(authorities):
    found = describe(SITE.pem + MIDDLE.pem, now=NOW, authorities=authorities)
    assert (found.issuer, found.subject) == ("CN=Test intermediate", "CN=www.example.com")
    assert (found.self_signed, found.trusted, found.chain_length) == (False, True, 2)
    assert found.key == "ECDSA secp256r1"


@pytest.mark.parametrize(("chain", "when"), [
    (SITE.pem, NOW), (SITE.pem + MIDDLE.pem, NOW + 91 * DAY), (make("www.example.com").pem, NOW),
], ids=["without the intermediate", "expired", "signed by itself"])  # fmt: skip
def test_who_is_not_trusted(authorities, chain, when):
    assert not describe(chain, now=when, authorities=authorities).trusted


def test_without_a_list_of_authorities_nobody_is_trusted(caplog):
    nobody = Authorities(Path("/nowhere"))
    assert not describe(SITE.pem + MIDDLE.pem, now=NOW, authorities=nobody).trusted
    assert "/nowhere" in caplog.text


def test_the_systems_own_authorities_can_be_read():
    assert len(Authorities().roots) > 50


def test_ed25519_is_taken_with_a_warning(authorities):
    from cryptography import x509

    key = ed25519.Ed25519PrivateKey.generate()
    builder = x509.CertificateBuilder().subject_name(SITE.certificate.subject)
    made = (
        builder.issuer_name(SITE.certificate.subject).public_key(key.public_key()).serial_number(5)
        .not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.test")]), critical=False)
        .sign(key, None)
    )  # fmt: skip
    from cryptography.hazmat.primitives.serialization import Encoding

    found = judged(authorities, made.public_bytes(Encoding.PEM).decode(), key_pem(key))
    assert any("Ed25519" in warning for warning in found.warnings)
