"""The access gate through the real router: who gets in, what stays secret, and what outlives restarts."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.support.platform import Platform
from tests.support.waiting import wait_until

APP, PASSWORD = "gated", "a horse that is correct"


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'kate:{password}'.encode()).decode()}"}


@pytest.fixture(scope="module", autouse=True)
def app(platform: Platform) -> Iterator[None]:
    """An app without code: behind its gate is H14."""
    platform.hostctl("apps:create", APP)
    try:
        wait_until(lambda: platform.http_get(APP).status == 503, 20)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_a_password_opens_the_gate_and_nothing_else_does(platform: Platform) -> None:
    platform.ssh("access:gate:enable", "--user", "kate", "-a", APP, input=f"{PASSWORD}\n")
    asked = platform.http_get(APP)
    assert (asked.status, asked.headers["www-authenticate"]) == (401, f'Basic realm="{APP}", charset="UTF-8"')
    assert platform.http_get(APP, headers=basic("a horse that is wrong")).status == 401
    assert platform.http_get(APP, headers=basic(PASSWORD)).status == 503
    assert "Access Gate:" in platform.hostctl("apps:info", "-a", APP).stdout
    logs = wait_until(
        lambda: "code=H41" in (said := platform.hostctl("logs", "-n", "300", "-a", APP).stdout) and said, 20
    )
    assert PASSWORD not in logs and "Let user kate through the access gate" in logs


def test_it_holds_without_hostd_and_after_restarts(platform: Platform) -> None:
    platform.run(["systemctl", "stop", "hostd.service", "hostd.socket"])
    try:
        for worker in ("1", "2"):
            platform.run(["systemctl", "try-restart", f"hostd-router@{worker}.service"])
        for _ in range(6):
            assert platform.http_get(APP).status == 401
            assert platform.http_get(APP, headers=basic(PASSWORD)).status == 503
    finally:
        platform.run(["systemctl", "start", "hostd.socket", "hostd.service"])


def test_the_hash_is_for_root_and_the_router_alone(platform: Platform) -> None:
    path = "/var/lib/hostd/routes/routes.json"
    assert platform.run(["stat", "-c", "%a %U %G", path]).stdout.strip() == "640 root hostd-router"
    assert "scrypt1:" in platform.run(["cat", path]).stdout
    for nobody in ("git", "nobody", "hostd-logplex"):
        assert platform.run(["runuser", "-u", nobody, "--", "cat", path], check=False).returncode != 0


def test_networks_and_the_way_back(platform: Platform) -> None:
    platform.hostctl("access:gate:enable", "--network", "192.0.2.0/24", "-a", APP)
    assert platform.http_get(APP, headers=basic(PASSWORD)).status == 403
    platform.hostctl("access:gate:remove", "--user", "kate", "-a", APP)
    assert platform.hostctl("access:gate:remove", "--network", "192.0.2.0/24", "-a", APP, check=False).returncode == 1
    platform.hostctl("access:gate:enable", "--network", "0.0.0.0/0", "--network", "::/0", "-a", APP)
    assert platform.http_get(APP).status == 503
    platform.hostctl("access:gate:disable", "-a", APP)
    assert platform.hostctl("access:gate", "-a", APP).stdout == "open to everybody\n"
