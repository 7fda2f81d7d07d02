"""What tests with a browser use: a box with hostd in it, and Chromium before it. `tests/run --browser` has both."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import chromium
from tests.support.chromium import Browser
from tests.support.platform import Platform, connect_platform

WANTED = "HOSTD_TEST_BROWSER"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Only when they are asked for."""
    for item in items:
        if Path(__file__).parent in item.path.parents and WANTED not in os.environ:
            item.add_marker(pytest.mark.skip(reason="needs a box and a browser: run tests/run --browser"))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The platform under test, with a new user who has an ssh key."""
    return connect_platform(os.environ, tmp_path_factory.mktemp("platform"))


@pytest.fixture(scope="session")
def https_port(platform: Platform) -> int:
    """Where https is served."""
    return int(tomllib.loads(platform.run(["cat", "/etc/hostd/hostd.toml"]).stdout)["https_port"])


@pytest.fixture(scope="session")
def browser(https_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that trusts the box, whose certificate nobody has signed but itself."""
    with chromium.running(tmp_path_factory.mktemp("chromium"), chromium.shown_at(https_port)) as made:
        yield made
