"""Runs pytest, for a full run with a box around it that is gone afterwards, however the run ends."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import pytest

from hostd.box import Box
from tests.support import slots, watcher

PROJECT = Path(__file__).parents[2]
ADMIN = "admin@example.com"
INSTALL_SECONDS = 900
POOL_SIZE = "8G"
WITH_VALUE = ("-k", "-m", "-p", "-o", "-c", "-W", "--deselect", "--ignore", "--junitxml", "--rootdir")


def main(words: Sequence[str]) -> int:
    """Run the tests; returns pytest's exit status. The last line printed is pytest's."""
    arguments = [word for word in words if word != "--quick"]
    if "--quick" in words:
        return run_pytest(["tests/unit"], [*in_parallel(), "-m", "not thorough", *arguments])
    if os.geteuid() != 0:
        print("tests/run: the tests in a box need root; tests/run --quick does not", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    with slots.take() as slot, throw_away_box(slot):
        return run_pytest(["tests/unit", "tests/box"], arguments)


def run_pytest(folders: Sequence[str], arguments: Sequence[str]) -> int:
    """Run pytest in this process: on `folders`, unless the arguments name files themselves."""
    return int(pytest.main([*([] if names_files(arguments) else folders), *arguments]))


def in_parallel() -> list[str]:
    """What makes pytest use all processors, though some tests wait. Not for a full run: its tests share one box."""
    return ["--numprocesses", str(1 + (os.cpu_count() or 1)), "--dist", "worksteal"]


def names_files(arguments: Sequence[str]) -> bool:
    """Whether pytest's arguments say which files to run; the value of an option does not."""
    words = [word for before, word in zip(["", *arguments], arguments, strict=False) if before not in WITH_VALUE]
    return any(Path(word.partition("::")[0]).exists() for word in words if not word.startswith("-"))


@contextlib.contextmanager
def throw_away_box(slot: slots.Slot) -> Iterator[None]:
    """Install the platform into a box of its own and tell the tests about it; remove it at the end."""
    watcher.remove_stale()
    name = f"test-{os.getpid()}"
    box = Box(name)
    os.environ.update(
        HOSTD_TEST_BOX=name,
        HOSTD_TEST_DIRECTORY=str(box.directory),
        HOSTD_TEST_HTTP_PORT=str(slot.http),
        HOSTD_TEST_SSH_PORT=str(slot.ssh),
        HOSTD_TEST_ADMIN=ADMIN,
    )
    watcher.start(os.getpid(), name)
    try:
        _install(box, slot)
        yield
    finally:
        box.remove()


def _install(box: Box, slot: slots.Slot) -> None:
    options = {
        "--box-name": box.name,
        "--box-dir": str(box.directory),
        "--http-port": str(slot.http),
        "--https-port": str(slot.https),
        "--ssh-port": str(slot.ssh),
        "--dyno-ports": f"[{slot.first_dyno}, {slot.last_dyno}]",
        "--pool-size": POOL_SIZE,
        "--admin": ADMIN,
    }
    words = ["--yes", "--no-demo", *(word for pair in options.items() for word in pair)]
    os.environ["HOSTD_TEST_INSTALL"] = shlex.join(words)
    argv = [PROJECT / "install.sh", *words]
    installed = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, timeout=INSTALL_SECONDS)
    if installed.returncode != 0:
        raise SystemExit(f"tests/run: install.sh failed with status {installed.returncode}")


def _leave(_number: int, _frame: FrameType | None) -> None:
    # pytest ends a run for this one, where it would take SystemExit for a failed test.
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
