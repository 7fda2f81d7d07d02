"""Heroku's CLI from npm against a platform in a box."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.heroku_cli.installing import NotReachedError, cli
from tests.support import boxes
from tests.support.platform import Platform, connect_platform
from tests.support.waiting import wait_until as wait

boxes.take_own()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a box, skip."""
    if "HOSTD_TEST_BOX" in os.environ:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs a box: run tests/run"))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The platform under test, with a new user who has an ssh key."""
    return connect_platform(os.environ, tmp_path_factory.mktemp("platform"))


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder in which Heroku's CLI is."""
    try:
        return cli()
    except NotReachedError as error:
        pytest.skip(f"npm cannot be reached, so Heroku's CLI is not tried: {error}")


@pytest.fixture
def wait_until() -> Callable[..., object]:
    """`wait_until(condition, seconds=10)` asks until the condition holds and returns what it returned."""
    return wait
