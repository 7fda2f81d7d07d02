"""Apps under names of their own: who may have which, and where requests for them go, whatever is restarted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.estate import settled
from tests.support.platform import Platform, User, add_user
from tests.support.waiting import wait_until

SHOP, BLOG, FOREIGN = "corner-shop", "corner-blog", "foreign-shop"
NONE, DOWN, NO_APP = "Nothing is running here", "Down for maintenance", "There is no app here"


@pytest.fixture(scope="module", autouse=True)
def apps(platform: Platform) -> Iterator[None]:
    """Two apps of one owner, without code; the blog's visitors see that it is down for maintenance."""
    made = [SHOP, BLOG]
    for name in made:
        platform.hostctl("apps:create", name)
    try:
        platform.hostctl("maintenance:on", "-a", BLOG)
        yield
    finally:
        for name in made:
            platform.hostctl("apps:destroy", "-a", name, "--confirm", name, check=False)


@pytest.fixture
def ann(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Somebody who is no admin, with an app."""
    key = tmp_path_factory.mktemp("ann") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    user = add_user(platform, "ann@example.com", key)
    platform.ssh("apps:create", FOREIGN, key=key)
    try:
        yield user
    finally:
        platform.hostctl("apps:destroy", "-a", FOREIGN, "--confirm", FOREIGN)
        platform.hostctl("users:remove", user.email)


def page(platform: Platform, host: str) -> str:
    """The heading of the page that a host gets."""
    text = platform.http_get("", host=host).text
    return text.partition("<h1>")[2].partition("</h1>")[0]


def test_requests_go_to_the_app_that_has_the_name(platform: Platform) -> None:
    added = platform.ssh("domains:add", "*.corner.test", "-a", SHOP)
    assert "domains:wait '*.corner.test'" in added.stderr
    assert " *.corner.test " in added.stdout
    platform.hostctl("domains:add", "Blog.Corner.test.", "-a", BLOG)
    platform.hostctl("domains:add", "b\u00fccher.test", "-a", BLOG)
    assert page(platform, "x.corner.test") == NONE
    assert page(platform, f"X.Corner.Test.:{platform.http_port}") == NONE
    assert page(platform, "blog.corner.test") == DOWN
    assert page(platform, "xn--bcher-kva.test") == DOWN
    for unknown in ("corner.test", "a.b.corner.test", "www.xn--bcher-kva.test"):
        assert page(platform, unknown) == NO_APP
    assert page(platform, f"{BLOG}.localhost") == DOWN
    listed = json.loads(platform.ssh("domains", "--json", "-a", BLOG).stdout)
    assert [domain["hostname"] for domain in listed] == [
        f"{BLOG}.localhost",
        "blog.corner.test",
        "xn--bcher-kva.test",
    ]
    waited = platform.hostctl("domains:wait", "--timeout", "1s", "-a", BLOG, check=False)
    assert waited.returncode == 1
    assert "b\u00fccher.test" in waited.stderr and "After 1s the DNS does not lead here" in waited.stderr


def test_no_page_is_fetched_from_the_inside(platform: Platform) -> None:
    platform.hostctl("config:set", "MAINTENANCE_PAGE_URL=http://127.0.0.1:22/", "-a", BLOG)
    said = "Page of MAINTENANCE_PAGE_URL cannot be fetched: it is on this server, at a port that is not the router's."
    wait_until(lambda: said in platform.hostctl("logs", "-n", "100", "-a", BLOG).stdout, 20)
    assert page(platform, "blog.corner.test") == DOWN


def test_names_outlive_hostd_the_router_and_a_rename(platform: Platform) -> None:
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service", "hostd-router@1", "hostd-router@2"])
    wait_until(lambda: page(platform, "blog.corner.test") == DOWN and page(platform, "x.corner.test") == NONE, 30)
    platform.hostctl("apps:rename", "corner-news", "-a", BLOG)
    try:
        assert page(platform, "blog.corner.test") == DOWN
        assert page(platform, f"{BLOG}.localhost") == NO_APP
    finally:
        platform.hostctl("apps:rename", BLOG, "-a", "corner-news")


def test_a_name_is_taken_from_nobody(platform: Platform, ann: User) -> None:
    for name in ("blog.corner.test", "a.b.corner.test"):
        refused = platform.ssh("domains:add", name, "-a", FOREIGN, key=ann.key, check=False)
        assert refused.returncode == 1
        assert "an app of somebody else" in refused.stderr
    taken = platform.hostctl("domains:add", "blog.corner.test", "-a", SHOP, check=False)
    assert f"in use by the app {BLOG}" in taken.stderr
    assert page(platform, "blog.corner.test") == DOWN


def test_a_name_moves_at_once(platform: Platform) -> None:
    platform.ssh("domains:remove", "blog.corner.test", "-a", BLOG)
    assert page(platform, "blog.corner.test") == NONE, "the wildcard's app has it"
    platform.ssh("domains:remove", "*.corner.test", "-a", SHOP)
    assert page(platform, "blog.corner.test") == NO_APP
    platform.ssh("domains:add", "blog.corner.test", "-a", SHOP)
    assert page(platform, "blog.corner.test") == NONE
    platform.ssh("domains:clear", "-a", SHOP)
    platform.ssh("domains:add", "blog.corner.test", "-a", BLOG)
    assert page(platform, "blog.corner.test") == DOWN
    platform.hostctl("apps:destroy", "-a", BLOG, "--confirm", BLOG)
    assert page(platform, "blog.corner.test") == NO_APP
    platform.ssh("domains:add", "blog.corner.test", "-a", SHOP)
    assert page(platform, "blog.corner.test") == NONE
    settled(platform)
