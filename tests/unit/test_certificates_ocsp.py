"""OCSP: what is asked of whom, which answers are believed, and when it is asked again."""

from __future__ import annotations

import base64
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseBuilder, OCSPResponseStatus
from cryptography.x509.oid import ExtendedKeyUsageOID
from ledger_kit import open_ledger
from tls_kit import DAY, NOW, Made, make, root, said_of

from hostd.certificates.authorities import Authorities
from hostd.certificates.checking import check
from hostd.certificates.keeper import CertificateKeeper
from hostd.certificates.ocsp import KIND, MOST_BYTES, Unfit, address, good_until, responder
from hostd.certificates.shelf import Shelf
from hostd.certificates.stapler import AGAIN, Stapler
from hostd.errors import Invalid
from hostd.events import Events
from hostd.fetching import Unfetchable
from hostd.ledger.certificates import content_of

PLACE = "http://ocsp.test/r3"
ROOT = root()
OWN = make("www.example.com", issuer=ROOT, responder=PLACE)
DEPUTY = make(common_name="deputy", issuer=ROOT, usage=ExtendedKeyUsageOID.OCSP_SIGNING)


def until(answer: bytes, now=NOW):
    return good_until(answer, OWN.certificate, ROOT.certificate, now)


def test_what_is_asked_and_where():
    assert responder(OWN.certificate) == PLACE
    assert responder(make("www.example.com").certificate) is None
    assert responder(make("www.example.com", issuer=ROOT).certificate) is None
    asked = address(PLACE + "/", OWN.certificate, ROOT.certificate)
    question = ocsp.load_der_ocsp_request(base64.b64decode(unquote(asked.removeprefix(f"{PLACE}/"))))
    assert (question.serial_number, asked.count("/")) == (OWN.certificate.serial_number, PLACE.count("/") + 1)


@pytest.mark.parametrize("signer", [ROOT, DEPUTY], ids=["the authority", "its deputy"])
def test_an_answer_that_is_good(signer):
    assert until(said_of(OWN, ROOT, signer=signer)) == NOW + 4 * DAY


def test_an_authority_with_an_rsa_key():
    authority = make(authority=True, common_name="RSA", key=rsa.generate_private_key(65537, 2048))
    made = make("www.example.com", issuer=authority, responder=PLACE)
    assert good_until(said_of(made, authority), made.certificate, authority.certificate, NOW) == NOW + 4 * DAY


STRANGER = make(common_name="Test root", authority=True)
PLAIN = make("www.example.com", issuer=ROOT)
OLD_DEPUTY = make(common_name="deputy", issuer=ROOT, usage=ExtendedKeyUsageOID.OCSP_SIGNING, ends=NOW)


@pytest.mark.parametrize(("answer", "why"), [
    (b"", "no OCSP answer"),
    (b"<html>", "no OCSP answer"),
    (said_of(OWN, ROOT)[:-40], "no OCSP answer"),
    (b"0" * (MOST_BYTES + 1), "longer than 16 KiB"),
    (OCSPResponseBuilder.build_unsuccessful(OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER), "TRY_LATER"),
    (said_of(PLAIN, ROOT), "about another certificate"),
    (said_of(OWN, ROOT, signer=STRANGER), "not signed by"),
    (said_of(OWN, ROOT, signer=PLAIN), "not signed by"),
    (said_of(OWN, ROOT, signer=OLD_DEPUTY), "not signed by"),
    (said_of(OWN, ROOT)[:-1] + b"\0", "not signed by"),
    (said_of(OWN, ROOT, status=OCSPCertStatus.UNKNOWN), "does not know"),
    (said_of(OWN, ROOT, at=NOW - 5 * DAY, until=NOW), "not of now"),
    (said_of(OWN, ROOT, at=NOW + DAY), "not of now"),
    (said_of(OWN, ROOT, until=None), "not of now"),
])  # fmt: skip
def test_an_answer_that_is_not(answer, why):
    with pytest.raises(Unfit, match=why) as unfit:
        until(answer)
    assert not unfit.value.revoked


def test_a_certificate_that_is_revoked():
    with pytest.raises(Unfit, match="revoked") as unfit:
        until(said_of(OWN, ROOT, status=OCSPCertStatus.REVOKED))
    assert unfit.value.revoked


def test_a_certificate_that_must_come_with_an_answer(tmp_path):
    def judged(made: Made):
        text = made.pem + ROOT.pem
        return check(text, made.key_pem, now=NOW, authorities=Authorities(tmp_path / "none"))

    with pytest.raises(Invalid, match="must-staple"):
        judged(make("www.example.com", issuer=ROOT, must_staple=True))
    (warning,) = judged(make("www.example.com", issuer=ROOT, must_staple=True, responder=PLACE)).warnings
    assert PLACE in warning


# The stapler


class Scene:
    """An app with certificates of an authority, which says of them what the test wants."""

    def __init__(self, folder) -> None:
        self.ledger = open_ledger(folder / "master")
        self.app = self.ledger.apps.create("hello", self.ledger.users.add("kate@example.com", admin=True).id)
        self.roots = folder / "roots"
        self.roots.write_text(ROOT.pem)
        self.shelf = folder / "tls"
        self.shelf.mkdir()
        self.now = NOW
        self.asked: list[str] = []
        self.revoked: list[str] = []
        self.answer: bytes | None = None
        self.stapler = Stapler(
            certificates=self.ledger.certificates.every,
            shelf=Shelf(self.shelf, None),
            authorities=Authorities(self.roots),
            fetch=self.fetch,
            revoked=lambda certificate: self.revoked.append(certificate.name),
            clock=lambda: self.now,
        )

    async def fetch(self, address: str, *kinds: str) -> bytes:
        assert kinds == (KIND,)
        self.asked.append(address)
        if self.answer is None:
            raise Unfetchable("its server cannot be reached")
        return self.answer

    def add(self, made: Made):
        judged = check(made.pem, made.key_pem, now=NOW, authorities=Authorities(self.roots))
        return self.ledger.certificates.add(self.app.id, judged)

    @property
    def stapled(self) -> dict[str, tuple[bytes, float]]:
        return {path.stem: (path.read_bytes(), path.stat().st_mtime) for path in self.shelf.glob("*.ocsp")}


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


async def test_what_is_said_lies_beside_the_certificate_and_is_renewed_in_time(scene):
    own = scene.add(OWN)
    scene.add(make("other.example.com"))
    first = scene.answer = said_of(OWN, ROOT)
    for _ in range(2):
        await scene.stapler.look()
    assert scene.stapled == {own.content: (first, (NOW + 4 * DAY).timestamp())}
    assert len(scene.asked) == 1
    scene.now = NOW + 2 * DAY
    second = scene.answer = said_of(OWN, ROOT, at=scene.now, until=scene.now + 4 * DAY)
    await scene.stapler.look()
    assert scene.stapled[own.content][0] == second
    assert len(scene.asked) == 2


async def test_without_an_answer_the_last_one_stays_and_it_is_asked_again(scene):
    own = scene.add(OWN)
    scene.answer = said_of(OWN, ROOT)
    await scene.stapler.look()
    good = scene.stapled
    scene.now = NOW + 2 * DAY
    for answer in (None, b"", said_of(PLAIN, ROOT)):
        scene.answer = answer
        await scene.stapler.look()
        await scene.stapler.look()
        scene.now += AGAIN
    assert (scene.stapled, len(scene.asked)) == (good, 4)
    scene.ledger.certificates.remove(scene.app.id, own.id)
    await scene.stapler.look()
    assert len(scene.asked) == 4


async def test_one_that_is_revoked_is_told_and_its_last_answer_withdrawn(scene):
    own = scene.add(OWN)
    scene.answer = said_of(OWN, ROOT)
    await scene.stapler.look()
    scene.now = NOW + 2 * DAY
    scene.answer = said_of(OWN, ROOT, status=OCSPCertStatus.REVOKED)
    for _ in range(20):
        await scene.stapler.look()
        scene.now += AGAIN
    assert (scene.revoked, scene.stapled) == ([own.name], {})


async def test_the_platforms_own_has_one_too(scene):
    async def fetch(address: str, *kinds: str) -> bytes:
        return said_of(OWN, ROOT)

    keeper = CertificateKeeper(
        ledger=scene.ledger, shelf=Shelf(scene.shelf, None), events=Events(scene), hosts=lambda app: (),
        authorities=Authorities(scene.roots), nudge=scene.revoked.append, default=lambda: OWN.pem, fetch=fetch,
        clock=lambda: scene.now,
    )  # fmt: skip
    for _ in range(3):
        keeper.look()
        await keeper.stapler.look()
    assert list(scene.stapled) == [content_of(OWN.pem)]


async def test_one_that_has_ended_is_not_asked_about(scene):
    scene.add(OWN)
    scene.now = OWN.certificate.not_valid_after_utc
    await scene.stapler.look()
    assert scene.asked == []


def test_answers_go_with_their_certificate(tmp_path):
    shelf = Shelf(tmp_path, None)
    shelf.put("1" * 32, lambda: "one")
    for name in ("1" * 32, "2" * 32):
        shelf.staple(name, b"answer", NOW.timestamp())
    shelf.remove("1" * 32)
    assert [path.name for path in tmp_path.iterdir()] == [f"{'2' * 32}.ocsp"]
    for _ in range(2):
        shelf.sweep(set())
    assert not list(tmp_path.iterdir())
