"""How the workers of a full run share its tests: a plugin of pytest.

Each box has a worker, and its tests wait more than they work: one worker more, without a box, runs unit tests
meanwhile. Who has no test in a box left helps it.
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


def boxes_of(workers: int) -> int:
    """So many of the workers have a box."""
    return max(1, workers - 1)


def number_of(worker: str) -> int:
    """`gw2` is 2. One that takes the place of one that died has a higher number than all before."""
    return int(worker.removeprefix("gw"))


class Files(LoadFileScheduling):
    """Hands out files; those whose tests run inside the box are one, as one pytest there runs them all."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "inside" if belongs_inside(Path(file)) else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Hand out the first file that is for a worker; if none is left, it has done its part."""
        scope = next((scope for scope in self.workqueue if self._is_for(node, scope)), None)
        if scope is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _is_for(self, node: WorkerController, scope: str) -> bool:
        """Tests in a box are for those who have one; should all of them have died, for anybody."""
        return scope.startswith(UNIT) or self._has_box(node) or not any(map(self._has_box, self.nodes))

    def _has_box(self, node: WorkerController) -> bool:
        return number_of(node.gateway.id) < boxes_of(self.numnodes)
