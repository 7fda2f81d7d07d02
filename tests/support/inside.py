"""Tests that need systemd as PID 1 around themselves: they run in the box, by one pytest there, and count here."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from hostd.box import Box
from hostd.box.box import clean_environment

PROJECT = Path(__file__).parents[2]
MODULES = re.compile(r"test_(slugs|inside)_\w+\.py")
MARK = "HOSTD_TEST_INSIDE"
COPIED = ("hostd", "slugs", "units", "buildpacks", "router", "tests", "examples", "pyproject.toml")
THERE = "/root/hostd-tests"
TOOLS = "/root/hostd-test-tools"
PYTHON = "/opt/hostd/venv/bin/python"
PLUGINS = ("pytest", "pytest-asyncio", "hypothesis")
SECONDS = 1800


def inside_already() -> bool:
    """Whether this is the pytest in the box."""
    return MARK in os.environ


def belongs_inside(file: Path) -> bool:
    """Whether the tests of a file need systemd around themselves."""
    return file.parent.name == "box" and MODULES.fullmatch(file.name) is not None


def send_in(items: list[pytest.Item]) -> None:
    """Replace the tests that belong inside by stand-ins that report how they ended there."""
    wanted = [item for item in items if belongs_inside(item.path)]
    names = tuple(item.nodeid for item in wanted)
    for item in wanted:
        items[items.index(item)] = StandIn.from_parent(item.parent, name=item.name, names=names)


@dataclass(frozen=True)
class Outcome:
    """How one test ended inside: `passed`, `skipped`, or `failed` with its report."""

    status: str
    text: str


class StandIn(pytest.Item):
    """A test that runs inside the box."""

    def __init__(self, *, names: tuple[str, ...], **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.names = names

    def runtest(self) -> None:
        """Tell how the test ended."""
        outcome = outcomes(self.names).get(self.nodeid, Outcome("failed", "it did not run inside the box"))
        if outcome.status == "skipped":
            pytest.skip(outcome.text)
        if outcome.status == "failed":
            pytest.fail(outcome.text, pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test is."""
        return self.path, None, f"inside the box: {self.name}"


@cache
def outcomes(names: tuple[str, ...]) -> dict[str, Outcome]:
    """Run the tests of these ids in the box, once; how each ended."""
    box = Box(os.environ["HOSTD_TEST_BOX"], Path(os.environ["HOSTD_TEST_DIRECTORY"]))
    _in_box(box, ["rm", "-rf", THERE])
    _in_box(box, ["mkdir", "-p", THERE])
    _in_box(box, ["tar", "-x", "-C", THERE], input=_packed())
    pinned = [line for line in _pins() if line.partition("==")[0] in PLUGINS]
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--upgrade", "--target", TOOLS, *pinned]
    _in_box(box, ["env", *_pip_environment(), *pip])
    report = f"{THERE}/report.xml"
    variables = [f"{MARK}=1", f"PYTHONPATH={THERE}:{TOOLS}", "PYTHONDONTWRITEBYTECODE=1", *_pip_environment()]
    pytest_there = [PYTHON, "-m", "pytest", f"--rootdir={THERE}", f"--junitxml={report}", *names]
    ran = _in_box(box, ["env", f"--chdir={THERE}", *variables, *pytest_there], check=False)
    written = _in_box(box, ["cat", report], check=False).stdout
    if not written:
        raise AssertionError(f"pytest in the box made no report:\n{ran.stdout.decode()}{ran.stderr.decode()}")
    return dict(_read(written, names))


def _read(report: bytes, names: tuple[str, ...]) -> Iterator[tuple[str, Outcome]]:
    by_case = {
        (name.partition("::")[0].removesuffix(".py").replace("/", "."), name.rpartition("::")[2]): name
        for name in names
    }
    for case in ElementTree.fromstring(report).iter("testcase"):
        name = by_case.get((case.get("classname", ""), case.get("name", "")))
        if name is None:
            continue
        outcome = Outcome("passed", "")
        for child in case:
            text = f"{child.get('message', '')}\n{child.text or ''}"
            if child.tag == "skipped":
                outcome = Outcome("skipped", child.get("message", ""))
            elif child.tag in ("failure", "error"):
                outcome = Outcome("failed", text)
        yield name, outcome


def _packed() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in COPIED:
            tar.add(PROJECT / name, name, filter=lambda entry: None if "__pycache__" in entry.name else entry)
    return archive.getvalue()


def _pins() -> list[str]:
    import tomllib

    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    return [str(line) for line in project["project"]["optional-dependencies"]["dev"]]


def _pip_environment() -> list[str]:
    return [f"{name}={value}" for name, value in os.environ.items() if name.startswith("PIP_")]


def _in_box(box: Box, argv: list[str], *, input: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        box.command(argv), input=input, capture_output=True, env=clean_environment(), timeout=SECONDS, check=False
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{argv} in the box ended with {done.returncode}:\n{done.stderr.decode()}")
    return done
