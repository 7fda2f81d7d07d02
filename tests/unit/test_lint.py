"""Lint and types are tests like all others."""

import ast
import importlib
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def check(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"


def test_ruff_finds_nothing():
    check("ruff", "check", "--no-cache", "--output-format=concise", ".")


def test_mypy_finds_nothing():
    cache = Path(os.environ.get("HOSTD_TEST_CACHE", PROJECT)) / ".mypy_cache"
    check("mypy", f"--cache-dir={cache}")


def test_no_two_files_of_tests_have_the_same_name():
    """Or pytest, which imports them by their names, refuses to run them together."""
    names = Counter(file.name for folder in ("unit", "box") for file in (PROJECT / "tests" / folder).glob("*.py"))
    assert [name for name, count in names.items() if count > 1 and name != "conftest.py"] == []


def test_what_box_tests_take_from_each_other_is_there():
    """They are collected where there is a box only, which is late to hear of a name that has moved."""
    taken = [
        (file.name, node.module or "", alias.name)
        for file in (PROJECT / "tests/box").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.")
        for alias in node.names
    ]
    assert taken
    for _, module, name in taken:
        assert hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}"), (module, name)


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
