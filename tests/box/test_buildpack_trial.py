"""The runner that tries published buildpacks, on one that works and one that does not."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.platform import Finished, Platform

RUN = Path(__file__).parents[1] / "compat/buildpacks/run"
PACK = {
    "bin/detect": "#!/bin/sh\necho Small\n",
    "bin/compile": '#!/bin/sh\ncp "$3/WORD" "$1/index.html"\necho x >>"$2/kept"\nwc -l <"$2/kept"\n',
    "bin/release": '#!/bin/sh\necho "default_process_types:"\necho "  web: python3 -m http.server \\$PORT"\n',
    "bin/report": '#!/bin/sh\necho "word: $(cat "$3/WORD")"\n',
}


def trial(folder: Path, files: dict[str, str]) -> Finished:
    """Run it on a buildpack of these files and an app of one."""
    for name, text in {**{f"pack/{path}": content for path, content in files.items()}, "app/page": "x"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return subprocess.run(
        [RUN, "pack", "app", "--config", "WORD=hello"],
        cwd=folder, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trials(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> list[Finished]:
    """Of one that works and of one that does not, at the same time."""
    packs = [PACK, {**PACK, "bin/compile": "#!/bin/sh\necho the cause\nexit 3\n"}]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(trial, [tmp_path_factory.mktemp("trial") for _ in packs], packs))


def test_all_steps_of_one_that_works(trials: list[Finished]) -> None:
    done = trials[0]
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert [step[:2] for step in steps] == [
        [name, "pass"] for name in ("detect", "compile", "release", "report", "again", "boot")
    ]
    assert (steps[0][2], steps[3][2], steps[5][2]) == ("Small", "word: hello", "200, 5 bytes")


def test_one_that_fails_shows_why(trials: list[Finished]) -> None:
    done = trials[1]
    assert done.returncode == 1
    assert "detect   pass  Small\ncompile  FAIL" in done.stdout
    assert "the cause" in done.stdout
