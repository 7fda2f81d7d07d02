"""How names are proven to a certificate authority: over HTTP, in a handshake, in the DNS."""

import hashlib

import pytest
from acme_fakes import THUMBPRINT
from acme_scene import NAME, WILD, FakeHook, Scene
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tls_kit import NOW

from hostd.acme.certifying import Proof
from hostd.acme.failure import Failure
from hostd.acme.planner import Method, State
from hostd.acme.showcase import certificate_of
from hostd.errors import Invalid


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


async def test_a_name_that_cannot_be_proven_over_http_is_proven_by_tls(scene):
    scene.authority.failures[NAME] = [Failure("Connection refused (connection)", unproven=True)]
    shelf = scene.folder / "tls"
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.authority.seen.clear()
        scene.domain(NAME)
        await scene.until(lambda: keeper.proofs(scene.app.id))
        (path,) = shelf.iterdir()
        assert keeper.proofs(scene.app.id) == {NAME: path.stem}
        scene.authority.seen.set()
        await scene.until(lambda: scene.states[NAME] is State.OK)
        assert [file.stem for file in shelf.iterdir()] == [scene.own[0].content]
        await scene.until(lambda: len(scene.routes) == 5)
    over_http = f"{'k' * 30}.{THUMBPRINT}"
    assert scene.routes == [{NAME: over_http}, {}, {NAME: path.stem}, {}, {}]
    assert scene.authority.orders == [NAME, NAME]


async def test_a_name_that_cannot_be_proven_at_all_is_told_with_both_reasons(scene):
    scene.authority.failures[NAME] = [Failure("refused", unproven=True), Failure("reset", unproven=True)]
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.FAILING)
        (status,) = keeper.statuses(scene.app)
    assert status.reason == "by http-01: refused; by tls-alpn-01: reset"
    assert not list((scene.folder / "tls").iterdir())


async def test_what_is_no_matter_of_the_proof_is_not_tried_in_another_way(scene):
    scene.authority.failures[NAME] = [Failure("forbidden by CAA (caa)")]
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.FAILING)
    assert scene.authority.orders == [NAME]


async def test_an_app_chooses_how_its_names_are_proven(scene):
    async with scene.running() as keeper:
        with pytest.raises(Invalid, match="acme_dns_hook"):
            keeper.enable(scene.app, Method.DNS)
        keeper.enable(scene.app, Method.TLS)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.OK)
        assert keeper.method(scene.app) is Method.TLS
        assert scene.authority.orders == [NAME]
        keeper.enable(scene.app)
        assert keeper.method(scene.app) is None


async def test_another_way_is_tried_at_once(scene):
    scene.authority.failures[NAME] = [Failure("refused", unproven=True)]
    async with scene.running() as keeper:
        keeper.enable(scene.app, Method.HTTP)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.FAILING)
        keeper.enable(scene.app, Method.HTTP)
        assert scene.states[NAME] is State.FAILING
        keeper.enable(scene.app, Method.TLS)
        await scene.until(lambda: scene.states[NAME] is State.OK)


async def test_a_proof_outlives_the_sweeping_of_certificates_that_nobody_has(scene):
    async with scene.running(start=False):
        with scene.certificates.lent("a key and a certificate") as name:
            for _ in range(3):
                scene.certificates.look()
            assert (scene.folder / "tls" / f"{name}.pem").read_text() == "a key and a certificate"
    assert not list((scene.folder / "tls").iterdir())


def test_the_proof_is_a_certificate_of_its_own_kind():
    proof = Proof(NAME, f"{'k' * 30}.{THUMBPRINT}", "", "")
    text = certificate_of(proof, NOW)
    made = x509.load_pem_x509_certificate(text.encode())
    serialization.load_pem_private_key(text.encode(), password=None)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [NAME]
    (identifier,) = [each for each in made.extensions if each.oid.dotted_string == "1.3.6.1.5.5.7.1.31"]
    digest = hashlib.sha256(proof.authorization.encode()).digest()
    assert (identifier.critical, identifier.value.value) == (True, b"\x04\x20" + digest)


async def test_wildcards_are_proven_by_the_admins_program(scene):
    FakeHook.records, FakeHook.refusal = [], None
    async with scene.running(hook=FakeHook("/x", "nobody")) as keeper:
        keeper.enable(scene.app)
        scene.domain(WILD)
        await scene.until(lambda: scene.states.get(WILD) is State.OK)
    where = ("_acme-challenge.example.com", "digest")
    assert FakeHook.records == [("add", *where), ("remove", *where)]
    assert scene.own[0].names == (WILD,)
    assert [route for route in scene.routes if route] == []


async def test_what_the_admins_program_says_is_told_when_it_fails(scene):
    FakeHook.records, FakeHook.refusal = [], Failure("the program /x add ended with status 3", output=["a", "b"])
    async with scene.running(hook=FakeHook("/x", "nobody")) as keeper:
        keeper.enable(scene.app)
        scene.domain(WILD)
        await scene.until(lambda: scene.states.get(WILD) is State.FAILING)
    assert [record[0] for record in FakeHook.records] == ["add", "remove"]
    assert "the program /x add ended with status 3" in scene.lines[0]
    assert scene.lines[1:] == ["a", "b"]
