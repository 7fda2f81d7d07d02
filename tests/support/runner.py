"""Runs pytest, for a full run with boxes for its tests, side by side."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest

from tests.support.boxes import throw_away_boxes

BOXES = 3
"""Tests wait more than they work: two boxes leave two processors a tenth of their time, the third makes use of it."""
HEROKU3 = "tests/compat/heroku_cli/test_heroku3.py"
"""Heroku's CLI itself, which takes a second or two to begin, 158 times, is tried when its file is named."""
VM_SECONDS = 7200
"""What a test may take that installs on an emulated machine."""
ROOM = 1 << 30
"""Bytes for the files of a quick run, which makes a fifth of it."""
WITH_VALUE = ("--basetemp", "-k", "-m", "-p", "-o", "-c", "-W", "--deselect", "--ignore", "--junitxml", "--rootdir")


def main(words: Sequence[str]) -> int:
    """Run the tests; returns pytest's exit status. The last line printed is pytest's."""
    # A shell starts what is to run in the background without it, and the tests type Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = [word for word in words if word not in ("--quick", "--vm", "--browser")]
    if "--quick" in words:
        with TemporaryDirectory(prefix="hostd-", dir=quick_folder()) as folder:
            compiled_once()
            shared = ["-p", "tests.support.parts", "--basetemp", f"{folder}/tests", "--hypothesis-profile", "quick"]
            return run_pytest(["tests/unit"], [*shared, "-m", "not thorough", *arguments])
    if os.geteuid() != 0:
        print("tests/run: tests in a box or a virtual machine need root; tests/run --quick does not", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    if "--vm" in words:
        os.environ["HOSTD_TEST_VM"] = "yes"
        return run_pytest(["tests/vm"], ["-o", f"faulthandler_timeout={VM_SECONDS}", *arguments])
    if "--browser" in words:
        os.environ["HOSTD_TEST_BROWSER"] = "yes"
        with throw_away_boxes(1):
            return run_pytest(["tests/browser"], arguments)
    if names_files(arguments):
        with throw_away_boxes(1):
            return run_pytest([], arguments)
    # What needs a box comes first, in its order; the last worker begins with unit tests.
    parallel = ["-p", "tests.support.sharing", "--numprocesses", str(BOXES), "--no-loadscope-reorder"]
    with throw_away_boxes(BOXES):
        return run_pytest(["tests/box", HEROKU3, "tests/unit"], [*parallel, *arguments])


def run_pytest(folders: Sequence[str], arguments: Sequence[str]) -> int:
    """Run pytest in this process: on `folders`, unless the arguments name files themselves."""
    return int(pytest.main([*([] if names_files(arguments) else folders), *arguments]))


def compiled_once() -> None:
    """Let programs that tests start keep the modules that they compile where this one's are, and find them there."""
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(sys.prefix) / "compiled")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def quick_folder() -> str | None:
    """Memory for the tests' files, where every change of a ledger waits for no disk; None if there is not enough."""
    try:
        memory = os.statvfs("/dev/shm")
    except FileNotFoundError:
        return None
    fits = memory.f_bavail * memory.f_frsize >= ROOM and not memory.f_flag & os.ST_NOEXEC
    return "/dev/shm" if fits else None


def names_files(arguments: Sequence[str]) -> bool:
    """Whether pytest's arguments say which files to run; the value of an option does not."""
    words = [word for before, word in zip(["", *arguments], arguments, strict=False) if before not in WITH_VALUE]
    return any(Path(word.partition("::")[0]).exists() for word in words if not word.startswith("-"))


def _leave(_number: int, _frame: FrameType | None) -> None:
    # pytest ends a run for this one, where it would take SystemExit for a failed test.
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
