"""How a quick run keeps all processors busy: a plugin of pytest.

Tests are collected once; then this process is forked, and its children take one file of tests after another. Workers of
pytest-xdist each import and collect everything, which takes longer than a third of all tests.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

SLOW = (
    "test_lint", "test_buildpacks_runner", "test_router_smuggling", "test_router_h2_smuggling", "test_router_worker",
    "test_router_h2_others", "test_router_packing",
)  # fmt: skip
"""Files that are taken first, so that none of them is what all wait for in the end."""
_fork = multiprocessing.get_context("fork")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """Instead of pytest's own loop, where there is something to share."""
    if session.testsfailed or session.config.option.collectonly or session.config.option.usepdb:
        return None
    files = [list(items) for _, items in groupby(session.items, lambda item: item.path)]
    files.sort(key=lambda items: items[0].path.stem not in SLOW)
    # Made here, or each child would make one.
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    gc.freeze()
    taken = _fork.Value("i", 0)
    children: dict[Any, str] = {}
    for number in range(1 + (os.cpu_count() or 1)):
        ours, theirs = _fork.Pipe(duplex=False)
        _fork.Process(target=_work, args=(number, session, _each(files, taken), theirs), daemon=True).start()
        theirs.close()
        children[ours] = "what comes before the first test"
    while children:
        for child in wait(list(children)):
            _hear(session, children, child)
    return True


def _hear(session: pytest.Session, children: dict[Any, str], child: Any) -> None:
    """One thing that a child tells: a test that it begins, a report, or that it has done its part."""
    try:
        told = child.recv()
    except EOFError:
        raise RuntimeError(f"the process of {children[child]} has died") from None
    if told is None:
        del children[child]
    elif isinstance(told, str):
        children[child] = told
    else:
        hook = session.config.hook
        hook.pytest_runtest_logreport(report=hook.pytest_report_from_serializable(config=session.config, data=told))
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


# In the children


def _each(files: Sequence[list[pytest.Item]], taken: Any) -> Iterator[pytest.Item]:
    """The tests of all files that nobody else has taken, when it is their turn."""
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(files):
            return
        yield from files[number]


def _work(number: int, session: pytest.Session, items: Iterator[pytest.Item], parent: Connection) -> None:
    config = session.config
    _part_from_the_others(config, number, parent)
    try:
        item = next(items, None)
        while item is not None:
            following = next(items, None)
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
        parent.send(None)
    except (KeyboardInterrupt, BrokenPipeError):
        session._setupstate.teardown_exact(None)


def _part_from_the_others(config: pytest.Config, number: int, parent: Connection) -> None:
    """The parent alone says what happens; and what is captured, and the tests' directories, are each child's own."""
    for name in ("terminalreporter", "failures at once"):
        config.pluginmanager.unregister(name=name)
    config.pluginmanager.register(_Teller(config, parent.send))
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / f"part-{number}"
    factory._basetemp.mkdir()


class _Teller:
    """Tells the parent what becomes of each test."""

    def __init__(self, config: pytest.Config, tell: Callable[[object], None]) -> None:
        self._config = config
        self._tell = tell

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """So that the parent can say where a child has died."""
        self._tell(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of one phase of a test."""
        self._tell(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))
