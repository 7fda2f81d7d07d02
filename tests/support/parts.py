"""How a quick run keeps all processors busy: a plugin of pytest.

Tests are collected once; then this process is forked, and its children take one file of tests after another. Workers of
pytest-xdist each import and collect everything, which takes longer than a third of all tests. As long as this process
collects, which it does alone, a child that it forked before runs what other programs do most of the work for.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from _pytest.logging import caplog_handler_key

UNIT = "tests/unit"
"""Where all of them are, as the runner says it."""
EARLY = ("test_lint", "test_buildpacks_runner")
"""Files that are run while all others are collected: they import little, and ruff, mypy and bash do the work."""
SLOW = (
    "test_router_worker", "test_router_smuggling", "test_router_h2_others", "test_router_packing",
    "test_router_h2_smuggling", "test_ledger_chain",
)  # fmt: skip
"""Files that are taken first, so that none of them is what all wait for in the end."""
GARBAGE = 20_000
"""How many objects more there have to be before Python looks for those that nobody uses."""
TOLD_AT_ONCE = 16
"""How many reports a child gathers before it tells them."""
Files = Callable[[], Iterable[list[pytest.Item]]]
"""Tests by their files, when a child asks for them."""
_fork = multiprocessing.get_context("fork")
_running: dict[Any, Any] = {}
"""The children: where they tell, and of which test each says that it is in it."""


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Beside which the first child runs, in a run of all tests."""
    # Made here, or each child would make one.
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    if session.config.args == [UNIT] and not _alone(session):
        _start(session, lambda: _collected_here(session))
    # Almost nothing of it is garbage, which takes half a second to see.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """Instead of pytest's own loop, where there is something to share."""
    if session.testsfailed or _alone(session):
        return None
    files = [list(items) for _, items in groupby(session.items, lambda item: item.path)]
    if _running:
        files = [items for items in files if items[0].path.stem not in EARLY]
    files.sort(key=lambda items: items[0].path.stem not in SLOW)
    gc.freeze()
    # What tests leave behind is little: looked for seldom, it is found all the same.
    gc.set_threshold(GARBAGE)
    taken = _fork.Value("i", 0)
    # Some wait, for time-outs and for programs.
    for _ in range(2 + (os.cpu_count() or 1)):
        _start(session, lambda: _each(files, taken))
    while _running:
        for child in wait(list(_running)):
            _hear(session, child)
    return True


def _alone(session: pytest.Session) -> bool:
    return bool(session.config.option.collectonly or session.config.option.usepdb)


def _start(session: pytest.Session, files: Files) -> None:
    ours, theirs = _fork.Pipe(duplex=False)
    now = _fork.RawArray("c", 1000)
    _fork.Process(target=_work, args=(len(_running), session, files, theirs, now), daemon=True).start()
    theirs.close()
    _running[ours] = now


def _hear(session: pytest.Session, child: Any) -> None:
    """What a child tells: some reports, or that it has done its part."""
    try:
        told = child.recv()
    except EOFError:
        test = _running[child].value.decode(errors="replace") or "what comes before the first test"
        raise RuntimeError(f"the process of {test} has died") from None
    if told is None:
        del _running[child]
        return
    hook = session.config.hook
    for data in told:
        hook.pytest_runtest_logreport(report=hook.pytest_report_from_serializable(config=session.config, data=data))
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


# In the children


def _collected_here(session: pytest.Session) -> Iterator[list[pytest.Item]]:
    paths = [f"{UNIT}/{name}.py" for name in EARLY]
    for _, items in groupby(session.perform_collect(paths), lambda item: item.path):
        yield list(items)


def _each(files: Sequence[list[pytest.Item]], taken: Any) -> Iterator[list[pytest.Item]]:
    """The files of tests that nobody else has taken, when it is their turn."""
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(files):
            return
        yield files[number]


def _work(number: int, session: pytest.Session, files: Files, parent: Connection, now: Any) -> None:
    config = session.config
    teller = _part_from_the_others(config, number, parent)
    items = _in_time(config, files())
    try:
        item = next(items, None)
        while item is not None:
            following = next(items, None)
            now.value = item.nodeid.encode()[: len(now) - 1]
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
        teller.tell()
        parent.send(None)
    except (KeyboardInterrupt, BrokenPipeError):
        session._setupstate.teardown_exact(None)


def _in_time(config: pytest.Config, files: Iterable[list[pytest.Item]]) -> Iterator[pytest.Item]:
    """What pytest looks for in each test, and begins and ends a thread for, is looked for in each file."""
    limit, ends = float(config.getini("faulthandler_timeout")), bool(config.getini("faulthandler_exit_on_timeout"))
    for items in files:
        faulthandler.dump_traceback_later(limit, exit=ends, file=config.stash[fault_handler_stderr_fd_key])
        yield from items


def _part_from_the_others(config: pytest.Config, number: int, parent: Connection) -> _Teller:
    """The parent alone says what happens; and what is captured, and the tests' directories, are each child's own."""
    for name in ("terminalreporter", "failures at once", "faulthandler"):
        config.pluginmanager.unregister(name=name)
    _log_at_the_root(config)
    teller = _Teller(config, parent.send)
    config.pluginmanager.register(teller)
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / f"part-{number}"
    factory._basetemp.mkdir()
    return teller


def _log_at_the_root(config: pytest.Config) -> None:
    """pytest goes through all loggers six times for each test, for those that do not pass on: here are none."""
    plugin = config.pluginmanager.getplugin("logging-plugin")
    whole, report, root = plugin._runtest_for, plugin.report_handler, logging.getLogger()

    @contextmanager
    def for_report(item: pytest.Item, when: str) -> Iterator[None]:
        item.stash[caplog_handler_key] = plugin.caplog_handler
        report.reset()
        root.addHandler(report)
        try:
            yield
        finally:
            root.removeHandler(report)
            item.add_report_section(when, "log", report.stream.getvalue().strip())

    def runtest_for(item: pytest.Item, when: str) -> AbstractContextManager[None]:
        asked = "caplog" in item.fixturenames  # type: ignore[attr-defined]
        return (whole if asked else for_report)(item, when)  # type: ignore[no-any-return]

    plugin._runtest_for = runtest_for


class _Teller:
    """Tells the parent what becomes of the tests, failures at once."""

    def __init__(self, config: pytest.Config, send: Callable[[object], None]) -> None:
        self._config = config
        self._send = send
        self._reports: list[object] = []
        # Who counts seconds, or writes a file about all tests, has a use for what was before and after a test.
        self._of_calls = config.option.durations is None and config.option.xmlpath is None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of one phase of a test."""
        if self._of_calls and report.when != "call" and report.passed:
            return
        self._reports.append(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))
        if report.failed or len(self._reports) >= TOLD_AT_ONCE:
            self.tell()

    def tell(self) -> None:
        """Tell what has been gathered."""
        if self._reports:
            self._send(self._reports)
            self._reports = []
