"""Who of a full run's workers gets which files: the last one those of unit tests, as long as there are any."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.sharing import Files

BOX = ["tests/box/test_a.py::test_1", "tests/box/test_a.py::test_2", "tests/box/test_slugs_b.py::test_1",
       "tests/box/test_c.py::test_1", "tests/box/test_slugs_d.py::test_1"]  # fmt: skip
UNIT = [f"tests/unit/test_{name}.py::test_{number}" for name in "pqrstu" for number in range(3)]


class Gateway:
    def __init__(self, name: str) -> None:
        self.id = name


class Worker:
    """Remembers what it was given, and does it when it is told to."""

    def __init__(self, name: str, collected: list[str]) -> None:
        self.gateway, self.collected = Gateway(name), collected
        self.waiting: list[int] = []
        self.done: list[str] = []
        self.shutting_down = False

    def send_runtest_some(self, indexes: list[int]) -> None:
        self.waiting += indexes

    def shutdown(self) -> None:
        self.shutting_down = True

    def step(self, files: Files) -> bool:
        """Run a test, as soon as it is known which one follows it, or that none does."""
        if len(self.waiting) < (1 if self.shutting_down else 2):
            return False
        index = self.waiting.pop(0)
        self.done.append(self.collected[index])
        files.mark_test_complete(self, index)  # type: ignore[arg-type]
        return True


@pytest.fixture
def share(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`share(tests, 3)` begins a run with so many workers."""
    monkeypatch.setattr(pytestconfig.option, "loadscopereorder", False, raising=False)

    def begin(tests: list[str], count: int) -> tuple[Files, list[Worker]]:
        monkeypatch.setattr(pytestconfig.option, "tx", [f"{count}*popen"], raising=False)
        files = Files(pytestconfig)
        workers = [Worker(f"gw{number}", tests) for number in range(count)]
        for worker in workers:
            files.add_node(worker)  # type: ignore[arg-type]
            files.add_node_collection(worker, tests)  # type: ignore[arg-type]
        files.schedule()
        return files, workers

    return begin


def run(files: Files, workers: list[Worker]) -> list[str]:
    """All that was run when nobody has anything left to do."""
    while any([worker.step(files) for worker in workers]):
        pass
    assert not files.has_pending and all(worker.shutting_down for worker in workers)
    return [test for worker in workers for test in worker.done]


def boxed(worker: Worker) -> list[str]:
    return [test for test in worker.done if test.startswith("tests/box/")]


def test_all_tests_run_once_and_those_inside_a_box_in_one(share: Any) -> None:
    files, workers = share(BOX + UNIT, 3)
    assert Counter(run(files, workers)) == Counter(BOX + UNIT)
    assert boxed(workers[0]) and boxed(workers[1])
    inside = [[test for test in worker.done if "test_slugs_" in test] for worker in workers]
    assert sorted(map(len, inside)) == [0, 0, 2]


def test_the_last_worker_runs_unit_tests_while_others_are_in_their_boxes(share: Any) -> None:
    files, (*_, last) = share(BOX + UNIT, 3)
    while last.step(files):
        pass
    assert set(last.done[: len(UNIT)]) <= set(UNIT) and len(set(last.done) & set(UNIT)) > len(UNIT) / 2


def test_the_last_worker_helps_with_what_needs_a_box_when_no_unit_test_is_left(share: Any) -> None:
    more = [f"tests/box/test_{name}.py::test_1" for name in "efgh"]
    files, (*_, last) = share(BOX + more + UNIT[:3], 3)
    while last.step(files):
        pass
    assert last.done[:3] == UNIT[:3] and boxed(last)


@pytest.mark.parametrize("tests", [BOX, UNIT, BOX[:1], UNIT[:1], BOX[:1] + UNIT[:1]])
def test_few_tests_run_too(share: Any, tests: list[str]) -> None:
    files, workers = share(tests, 3)
    assert sorted(run(files, workers)) == sorted(tests)


def test_what_workers_that_died_have_left_is_run_all_the_same(share: Any) -> None:
    files, workers = share(BOX + UNIT, 3)
    for dying in workers[:2]:
        assert files.remove_node(dying) is not None  # type: ignore[arg-type]
    assert set(BOX) <= set(run(files, workers[2:]))
