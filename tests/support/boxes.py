"""The throw-away boxes of a test run: the platform installed in each, gone when the run ends, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hostd.box import Box
from hostd.install import compiling
from router import compiled
from tests.support import slots, watcher

PROJECT = Path(__file__).parents[2]
ADMIN = "admin@example.com"
INSTALL_SECONDS = 900
POOL_SIZE = "8G"
HANDED_OUT = "HOSTD_TEST_BOXES"
PROGRAM = "opt/hostd"
COMPILED = compiled.BUILDS.relative_to("/")


@contextlib.contextmanager
def throw_away_boxes(count: int) -> Iterator[None]:
    """Install so many boxes; a single one is for this process's tests, several are for those of its workers."""
    watcher.remove_stale()
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(_throw_away_box(number)) for number in range(count)]
        os.environ.update(made[0] if count == 1 else {HANDED_OUT: json.dumps(made)})
        yield


def take_own() -> None:
    """In a worker, let the environment name the box that is the worker's."""
    worker = re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", ""))
    if worker and HANDED_OUT in os.environ:
        boxes: Sequence[Mapping[str, str]] = json.loads(os.environ[HANDED_OUT])
        # A worker that takes the place of one that died has a higher number.
        os.environ.update(boxes[int(worker[1]) % len(boxes)])


@contextlib.contextmanager
def _throw_away_box(number: int) -> Iterator[dict[str, str]]:
    """A box with the platform in it, as variables for tests/box/conftest.py."""
    box, first = (Box(f"test-{os.getpid()}-{each}") for each in (number, 0))
    with slots.take() as slot:
        watcher.start(os.getpid(), box.name)
        try:
            if number:
                _take_packages(first, box)
            words = _options(box, slot)
            _copy_builds(compiling.BUILDS, box.upper / COMPILED)
            _install(words)
            _copy_builds(box.upper / COMPILED, compiling.BUILDS)
            yield {
                "HOSTD_TEST_BOX": box.name,
                "HOSTD_TEST_DIRECTORY": str(box.directory),
                "HOSTD_TEST_HTTP_PORT": str(slot.http),
                "HOSTD_TEST_SSH_PORT": str(slot.ssh),
                "HOSTD_TEST_API_PORT": str(slot.api),
                "HOSTD_TEST_ADMIN": ADMIN,
                "HOSTD_TEST_INSTALL": shlex.join(words),
            }
        finally:
            box.remove()


def _take_packages(first: Box, box: Box) -> None:
    """Let a box have what pip has made in the first: that install.sh can make it is seen there."""
    (box.upper / PROGRAM).mkdir(parents=True)
    subprocess.run(["cp", "-a", "--reflink=auto", first.upper / PROGRAM / "venv", box.upper / PROGRAM], check=True)


def _copy_builds(source: Path, target: Path) -> None:
    """What was compiled for a source once, be it in the box of an earlier run, need not be again."""
    build = compiling.find(PROJECT, source)
    if build is not None and not (target / build.name).exists():
        target.mkdir(parents=True, exist_ok=True)
        draft = target / f"{compiling.DRAFT}{os.getpid()}"
        subprocess.run(["cp", "-a", build, draft], check=True)
        with contextlib.suppress(OSError):  # it is there
            draft.rename(target / build.name)
        shutil.rmtree(draft, ignore_errors=True)


def _options(box: Box, slot: slots.Slot) -> list[str]:
    options = {
        "--box-name": box.name,
        "--box-dir": str(box.directory),
        "--http-port": str(slot.http),
        "--https-port": str(slot.https),
        "--ssh-port": str(slot.ssh),
        "--api-port": str(slot.api),
        "--rendezvous-port": str(slot.rendezvous),
        "--pool-size": POOL_SIZE,
        "--admin": ADMIN,
    }
    return ["--yes", "--no-demo", *(word for pair in options.items() for word in pair)]


def _install(words: Sequence[str]) -> None:
    argv = [PROJECT / "install.sh", *words]
    installed = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, timeout=INSTALL_SECONDS)
    if installed.returncode != 0:
        raise SystemExit(f"tests/run: install.sh failed with status {installed.returncode}")
