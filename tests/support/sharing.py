"""How the workers of a full run share its tests: a plugin of pytest.

Each worker has a box. Tests in a box wait more than they work: the last worker begins with the unit tests, which wait
for nothing, and helps the others when those are done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from tests.support.inside import belongs_inside

UNIT = "tests/unit/"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Files:
    """By whole files, as those have fixtures of their own."""
    return Files(config, log)


def number_of(worker: str) -> int:
    """`gw2` is 2. One that takes the place of one that died has a higher number than all before."""
    return int(worker.removeprefix("gw"))


class Files(LoadFileScheduling):
    """Hands out files; those whose tests run inside the box are one, as one pytest there runs them all."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "inside" if belongs_inside(Path(file)) else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Hand out the first file; to the last worker the first of unit tests, as long as there are any."""
        units = (scope for scope in self.workqueue if scope.startswith(UNIT))
        scope = next(units, None) if number_of(node.gateway.id) >= self.numnodes - 1 else None
        if scope is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)
