"""What tests of the whole platform use: a box with hostd in it, and the ways in that its users have.

`tests/run` sets the variables; for a box of your own, install one and set them by hand:
HOSTD_TEST_BOX, HOSTD_TEST_DIRECTORY, HOSTD_TEST_HTTP_PORT, HOSTD_TEST_SSH_PORT, HOSTD_TEST_ADMIN.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import boxes, inside
from tests.support.platform import Answer, Finished, Platform, User, connect_platform
from tests.support.waiting import wait_until as wait

boxes.take_own()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a box, skip; tests that need systemd around themselves run inside it."""
    if inside.inside_already():
        return
    if "HOSTD_TEST_BOX" in os.environ:
        inside.send_in(items)
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs a box: run tests/run"))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The platform under test, with a new user who has an ssh key."""
    return connect_platform(os.environ, tmp_path_factory.mktemp("platform"))


@pytest.fixture
def box(platform: Platform) -> Platform:
    """`box.run([...])` runs a command as root inside the box."""
    return platform


@pytest.fixture
def scenario(platform: Platform, request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """`scenario("form")` runs one of the module's SCENARIOS inside the box; what it found."""

    def run(name: str) -> Any:
        return platform.python(request.module.SCENARIOS, name)

    return run


@pytest.fixture
def user(platform: Platform) -> User:
    """A user with an ssh key, who is an admin."""
    return platform.user


@pytest.fixture
def hostctl(platform: Platform) -> Callable[..., Finished]:
    """`hostctl("ps", "-a", "hello")` runs hostctl on the machine, as root."""
    return platform.hostctl


@pytest.fixture
def ssh(platform: Platform) -> Callable[..., Finished]:
    """`ssh("ps", "-a", "hello")` runs a command over ssh, as the user."""
    return platform.ssh


@pytest.fixture
def push(platform: Platform) -> Callable[..., Finished]:
    """`push(directory, app, "main")` pushes a branch of a git repository, as the user."""
    return platform.push


@pytest.fixture
def http_get(platform: Platform) -> Callable[..., Answer]:
    """`http_get(app, "/path")` asks the router for a page of an app."""
    return platform.http_get


@pytest.fixture
def repository(tmp_path: Path, platform: Platform) -> Callable[..., Path]:
    """`repository({"Procfile": "web: ..."})` makes a git repository with one commit on main, or adds one to it."""

    def make(files: dict[str, str | bytes] | Path, directory: Path | None = None) -> Path:
        return platform.commit(files, directory or tmp_path / f"repository-{uuid.uuid4().hex[:8]}")

    return make


@pytest.fixture
def app(platform: Platform) -> Iterator[str]:
    """The name of a new app, which is destroyed after the test."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    platform.hostctl("apps:create", name)
    yield name
    platform.hostctl("apps:destroy", "-a", name, "--confirm", name, check=False)


@pytest.fixture
def wait_until() -> Callable[..., object]:
    """`wait_until(condition, seconds=10)` asks until the condition holds and returns what it returned."""
    return wait
