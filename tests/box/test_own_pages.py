"""Pages of an app's own, served by another app of the same server: fetched, shown with the right status, and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.platform import Platform
from tests.support.waiting import wait_until

PAGES, SHOWS = "page-source", "page-shower"
HOST = "pages.own-pages.test"
HTML = "<!doctype html><title>Pause</title><h1>Zur\u00fcck um f\u00fcnf</h1>"
FILES = {"Procfile": "web: python3 -m http.server $PORT\n", "requirements.txt": "", "oops.html": HTML}


@pytest.fixture(scope="module", autouse=True)
def apps(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app that serves a page under a name that this server can look up, and one without code that shows it."""
    for name in (PAGES, SHOWS):
        platform.hostctl("apps:create", name)
    try:
        platform.push(platform.commit(FILES, tmp_path_factory.mktemp("pages") / "app"), PAGES)
        platform.hostctl("domains:add", HOST, "-a", PAGES)
        platform.run(["sh", "-c", f"echo 127.0.0.1 {HOST} >> /etc/hosts"])
        url = f"http://{HOST}:{platform.http_port}/oops.html"
        platform.hostctl("config:set", f"ERROR_PAGE_URL={url}", f"MAINTENANCE_PAGE_URL={url}", "-a", SHOWS)
        yield
    finally:
        platform.run(["sed", "-i", f"/{HOST}/d", "/etc/hosts"])
        for name in (PAGES, SHOWS):
            platform.hostctl("apps:destroy", "-a", name, "--confirm", name)


def test_a_page_of_ones_own_is_shown(platform: Platform) -> None:
    answer = wait_until(lambda: (found := platform.http_get(SHOWS)).text == HTML and found, 20)
    assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    asked = platform.http_get(SHOWS, headers={"Accept": "application/json"})
    assert json.loads(asked.text)["code"] == "H14"
    platform.hostctl("maintenance:on", "-a", SHOWS)
    assert (platform.http_get(SHOWS).status, platform.http_get(SHOWS).text) == (503, HTML)
    assert json.loads(platform.http_get(SHOWS, headers={"Accept": "application/json"}).text)["code"] == "H80"


def test_it_is_shown_when_its_own_server_is_gone_and_after_restarts(platform: Platform) -> None:
    platform.hostctl("maintenance:on", "-a", PAGES)
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service", "hostd-router@1", "hostd-router@2"])
    wait_until(lambda: platform.http_get(SHOWS).text == HTML, 20)
    failed = "Page of MAINTENANCE_PAGE_URL cannot be fetched: its server answers with status 503. The copy"
    wait_until(lambda: failed in platform.hostctl("logs", "-n", "300", "-a", SHOWS).stdout, 20)
    assert platform.http_get(SHOWS).text == HTML


def test_without_the_config_var_the_built_in_page_is_back(platform: Platform) -> None:
    platform.hostctl("config:unset", "MAINTENANCE_PAGE_URL", "-a", SHOWS)
    wait_until(lambda: "Down for maintenance" in platform.http_get(SHOWS).text, 20)
