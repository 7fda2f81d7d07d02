"""How the workers of a full run share its tests: a plugin of pytest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support.inside import belongs_inside


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Files:
    """By whole files, as those have fixtures of their own."""
    return Files(config, log)


class Files(LoadFileScheduling):
    """Hands out files; those whose tests run inside the box are one, as one pytest there runs them all."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "inside" if belongs_inside(Path(file)) else file
