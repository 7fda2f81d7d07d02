"""Completing a chain: what is fetched from where, and what of it is believed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tls_kit import DAY, NOW, Made, intermediate, make, nothing_fetched, root

from hostd.certificates.authorities import Authorities
from hostd.certificates.completing import MOST, judge
from hostd.errors import Invalid
from hostd.fetching import Unfetchable

ROOT = root()
MIDDLE = intermediate(ROOT)
SITE = make("www.example.com", issuer=MIDDLE)
PLACE = "http://ca.test/intermediate.crt"
"""Where every certificate of the kit says that its issuer's is to be had."""


def der(made: Made) -> bytes:
    return made.certificate.public_bytes(Encoding.DER)


class Web:
    """Gives what it has, one after the other."""

    def __init__(self, *pages: bytes) -> None:
        self._pages = list(pages)
        self.asked: list[str] = []

    async def __call__(self, address: str, *kinds: str) -> bytes:
        self.asked.append(address)
        if not self._pages:
            raise Unfetchable("it is at an internal address")
        return self._pages.pop(0)


@pytest.fixture
def authorities(tmp_path):
    (tmp_path / "roots.crt").write_text(ROOT.pem)
    return Authorities(tmp_path / "roots.crt")


async def judged(authorities, web, chain: str = SITE.pem, key: str = SITE.key_pem):
    return await judge(chain, key, now=NOW, authorities=authorities, fetch=web)


@pytest.mark.parametrize("page", [der(MIDDLE), MIDDLE.pem.encode()], ids=["DER", "PEM"])
async def test_an_issuer_that_was_forgotten_is_fetched(authorities, page):
    web = Web(page)
    found = await judged(authorities, web)
    assert (found.chain, found.warnings, web.asked) == (SITE.pem + MIDDLE.pem, (), [PLACE])


async def test_a_chain_that_is_complete_fetches_nothing(authorities):
    web = Web()
    assert (await judged(authorities, web, SITE.pem + MIDDLE.pem)).chain == SITE.pem + MIDDLE.pem
    own = make("www.example.com")
    await judged(authorities, web, own.pem, own.key_pem)
    assert web.asked == []


async def test_a_chain_that_lacks_several(authorities):
    lower = make(authority=True, common_name="Lower", issuer=MIDDLE, ends=NOW + 900 * DAY)
    site = make("www.example.com", issuer=lower)
    found = await judged(authorities, Web(der(lower), der(MIDDLE)), site.pem, site.key_pem)
    assert (found.chain, found.warnings) == (site.pem + lower.pem + MIDDLE.pem, ())
    half = await judged(authorities, Web(der(lower)), site.pem, site.key_pem)
    assert half.chain == site.pem + lower.pem
    assert "Test intermediate" in half.warnings[0]


async def test_of_an_authority_that_nobody_knows_the_root_is_left_out(tmp_path):
    found = await judged(Authorities(tmp_path / "none"), Web(der(MIDDLE), der(ROOT)))
    assert (found.chain, found.warnings) == (SITE.pem + MIDDLE.pem, ())


@pytest.mark.parametrize("page", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\n", der(intermediate(root()))])
async def test_what_is_not_the_issuer_is_not_believed(authorities, page):
    found = await judged(authorities, Web(page))
    assert found.chain == SITE.pem
    (warning,) = found.warnings
    assert "hostd cannot get it" in warning and PLACE in warning


async def test_what_cannot_be_fetched_is_told(authorities):
    (warning,) = (await judged(authorities, nothing_fetched)).warnings
    assert "chain is not complete" in warning


async def test_what_is_refused_is_refused_before_anything_is_fetched(authorities):
    web = Web()
    with pytest.raises(Invalid):
        await judged(authorities, web, SITE.pem, MIDDLE.key_pem)
    assert web.asked == []


async def test_there_is_an_end_to_a_chain(authorities):
    line = [make(authority=True, common_name="0", issuer=MIDDLE, ends=NOW + 900 * DAY)]
    for number in range(1, 6):
        line.append(make(authority=True, common_name=str(number), issuer=line[-1], ends=NOW + 900 * DAY))
    site = make("www.example.com", issuer=line[-1])
    web = Web(*map(der, reversed(line)))
    found = await judged(authorities, web, site.pem, site.key_pem)
    assert (len(web.asked), found.chain.count("BEGIN")) == (MOST, MOST + 1)
