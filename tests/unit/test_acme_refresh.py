"""What happens when somebody wants a certificate now."""

import pytest
from acme_scene import NAME, OURS, Scene
from tls_kit import DAY, NOW

from hostd.acme.failure import Failure
from hostd.acme.planner import State
from hostd.errors import Invalid, NotFound, RateLimited


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    yield made
    made.ledger.close()


async def test_a_certificate_of_today_is_renewed_by_force_only(scene):
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.own)
        with pytest.raises(RateLimited, match=f"certs:auto:refresh {NAME} --force -a hello"):
            keeper.refresh(scene.app, NAME)
        keeper.refresh(scene.app)
        keeper.refresh(scene.app, NAME, force=True)
        await scene.until(lambda: len(scene.authority.orders) == 2 and scene.states[NAME] is State.OK)
        await scene.at(NOW + DAY)
        keeper.refresh(scene.app, NAME)
        await scene.until(lambda: len(scene.authority.orders) == 3 and scene.states[NAME] is State.OK)


async def test_what_may_be_refreshed_is_while_the_rest_waits(scene):
    scene.authority.failures[NAME] = [Failure("refused")]
    async with scene.running() as keeper:
        keeper.enable(scene.app)
        scene.domain(NAME)
        await scene.until(lambda: scene.states.get(NAME) is State.FAILING)
        with pytest.raises(RateLimited, match=r"not refreshed before 2026-03-01 12:10 UTC: .* only a few tries"):
            keeper.refresh(scene.app)
        scene.domain("new.example.com")
        await scene.until(lambda: scene.states.get("new.example.com") is State.FAILING)
        scene.names.known["new.example.com"] = OURS
        keeper.refresh(scene.app)
        await scene.until(lambda: scene.states["new.example.com"] is State.OK)
        assert scene.states[NAME] is State.FAILING


async def test_only_what_gets_certificates_can_be_refreshed(scene):
    async with scene.running(start=False) as keeper:
        with pytest.raises(Invalid, match="certs:auto:enable"):
            keeper.refresh(scene.app)
        keeper.enable(scene.app)
        with pytest.raises(NotFound, match="gets no certificate by itself"):
            keeper.refresh(scene.app, NAME)
