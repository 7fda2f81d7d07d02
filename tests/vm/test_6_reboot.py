"""A reboot in good order: every app is back by itself, and meanwhile nobody gets another app's page, or a wrong one."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import pytest

from tests.support.apps import Deployed
from tests.support.estate import settled
from tests.support.figures import figure
from tests.support.formation import dynos
from tests.support.platform import Answer, Platform
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.vm.conftest import SHOP

APPS_SECONDS = 60
REMEMBERED = (("releases", "--json"), ("ps:scale",), ("config", "--json"))


class Visitor:
    """Somebody who asks the shop again and again from when the machine is switched on, and keeps every answer."""

    def __init__(self, platform: Platform) -> None:
        self.answers: list[Answer] = []
        self._platform = platform
        self._gone = Event()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """As long as this lasts."""
        thread = Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._gone.set()
            thread.join()

    def _ask(self) -> None:
        while not self._gone.wait(0.2):
            try:
                self.answers.append(self._platform.http_get(SHOP, "/early", timeout=30))
            except (OSError, http.client.HTTPException):
                # Nobody listens yet.
                continue


@pytest.fixture(scope="module")
def visitor(platform: Server, shop: Deployed) -> Visitor:
    """Who was there from the first moment, over a reboot with a one-off dyno at work."""
    shop.hostctl("run:detached", "sleep 3600")
    before = remembered(shop)
    visitor = Visitor(platform)
    platform.machine.reboot()
    began = monotonic()
    with visitor.asking():
        platform.come_back()
        figure(platform.machine.name, "from power on to all services", began)
        wait_until(lambda: visitor.answers and visitor.answers[-1].status == 200, APPS_SECONDS)
        figure(platform.machine.name, "from power on to a page of an app", began)
        settled(platform)
        figure(platform.machine.name, "from power on to all apps", began)
    assert remembered(shop) == before
    return visitor


def test_every_app_is_back_by_itself(platform: Platform, visitor: Visitor) -> None:
    assert {dyno["name"] for dyno in dynos(platform, SHOP)} == {"web.1", "web.2", "worker.1"}
    assert platform.http_get("hello").status == 200


def test_whoever_came_early_was_answered_by_the_app_or_told_that_it_starts(visitor: Visitor) -> None:
    pages = {answer.text for answer in visitor.answers if answer.status == 200}
    assert all(page.startswith(f"{SHOP} GET /early ") for page in pages), pages
    assert {answer.status for answer in visitor.answers} <= {200, 503}, visitor.answers


def test_nothing_has_failed(platform: Platform, visitor: Visitor) -> None:
    assert platform.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"
    assert "degraded" not in platform.hostctl("status").stdout
    assert "every release is as it was made" in platform.ssh("releases:verify").stderr


def test_everything_was_stopped_in_good_order(platform: Platform, visitor: Visitor) -> None:
    log = platform.run(["journalctl", "--boot=-1", "--unit=hostd.service", "--output=cat"]).stdout
    assert "Stopped hostd.service" in log
    assert "hostd-networks.service has ended" not in log


def remembered(shop: Deployed) -> list[str]:
    """What a reboot must not change."""
    return [shop.hostctl(*words) for words in REMEMBERED]
