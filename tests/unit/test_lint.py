"""Lint and types are tests like all others."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).parents[2]


CACHE = Path(os.environ.get("HOSTD_TEST_CACHE", PROJECT))
"""Where what was found of a file that has not changed since is kept."""


def check(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"


def test_ruff_finds_nothing():
    check("ruff", "check", f"--cache-dir={CACHE}/.ruff_cache", "--output-format=concise", ".")


def test_mypy_finds_nothing():
    check("mypy", f"--cache-dir={CACHE}/.mypy_cache")


def test_no_two_files_of_tests_have_the_same_name():
    """Or pytest, which imports them by their names, refuses to run them together."""
    names = Counter(file.name for folder in ("unit", "box") for file in (PROJECT / "tests" / folder).glob("*.py"))
    assert [name for name, count in names.items() if count > 1 and name != "conftest.py"] == []


def test_shell_scripts_parse():
    scripts = [PROJECT / "install.sh", PROJECT / "tests/run", PROJECT / ".ci/run"]
    scripts += sorted((PROJECT / "hostd/install").glob("*.sh"))
    scripts += [PROJECT / "buildpacks/runner/build", *sorted((PROJECT / "buildpacks").rglob("*.*sh"))]
    bundled = sorted((PROJECT / "buildpacks/bundled").glob("*/bin/*"))
    scripts += [script for script in bundled if script.read_text().startswith("#!/bin/bash\n")]
    compat = PROJECT / "tests/compat/buildpacks"
    scripts += [compat / "run", *sorted(compat.glob("checker/bin/*"))]
    for script in scripts:
        done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
