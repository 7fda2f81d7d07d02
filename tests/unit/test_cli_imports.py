"""What hostctl takes to start: the standard library, and little of it, wherever it is installed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("hostd", "units", "slugs", "buildpacks", "router")
ELSEWHERE = ("hostd.box", "hostd.cli.csr")
"""Not there, or not to be had, where hostctl is installed alone: `box` and `certs:generate` say so."""


def test_every_command_needs_the_standard_library_alone():
    seen: dict[str, str] = {}
    waiting = [(name, "") for name in _modules_of_cli()]
    foreign = []
    while waiting:
        name, by = waiting.pop()
        if name in seen or name.startswith(ELSEWHERE):
            continue
        seen[name] = by
        top = name.partition(".")[0]
        if top not in OURS:
            if top not in sys.stdlib_module_names:
                foreign.append(f"{name} by {by}")
        elif file := _file_of(name):
            waiting += [(each, name) for each in _imported(file, name)]
    assert len(seen) > 80
    assert not foreign


def _modules_of_cli() -> list[str]:
    return [f"hostd.cli.{file.stem}" for file in (ROOT / "hostd" / "cli").glob("*.py") if file.stem != "__init__"]


def _file_of(name: str) -> Path | None:
    place = ROOT.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()), None)


def _imported(file: Path, name: str) -> Iterator[str]:
    """What a module imports anywhere, and the packages it lies in; but what is for type checkers."""
    yield from (name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1))
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # `from package import module` and `from module import name` look alike.
            yield from (each for alias in node.names if _file_of(each := f"{node.module}.{alias.name}"))
