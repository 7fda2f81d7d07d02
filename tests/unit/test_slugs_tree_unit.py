"""The units that measure and export trees, as values."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slugs.tree_unit import SLICE, failure, unit_properties
from units.sandbox import Bind


def test_the_tree_is_read_in_a_sandbox_of_its_own() -> None:
    stack: Any = SimpleNamespace(root=Path("/stack"), binds=[Bind(Path("/usr"), Path("/usr"))])
    unit = unit_properties(
        stack=stack,
        uid=200001,
        binds=[Bind(Path("/pool/slugs/s"), Path("/app"))],
        command=["/bin/tar"],
        description="exporting",
        stdio=(3, 4, 5),
    )
    assert (unit["User"], unit["RootDirectory"], unit["PrivateNetwork"]) == ("200001", "/stack", True)
    assert (unit["Slice"], unit["CPUWeight"], unit["MemoryMax"]) == (SLICE, 20, 512 << 20)
    assert ("/pool/slugs/s", "/app", False, 0) in unit["BindReadOnlyPaths"]
    # An empty list would take the others away again.
    assert "BindPaths" not in unit


def ended(result: str, status: int = 0) -> Any:
    return SimpleNamespace(result=result, exec_main_status=status)


@pytest.mark.parametrize(
    ("info", "said", "expected"),
    [
        (ended("success"), b"{}", None),
        (None, b"", "it was stopped"),
        (ended("oom-kill", 9), b"", "it needed more memory than it may have"),
        (ended("timeout", 15), b"half", "it took longer than 10 minutes"),
        (ended("exit-code", 1), b"a is a btrfs subvolume of its own\n", "a is a btrfs subvolume of its own"),
        (ended("exit-code", 2), b"", "exit-code, status 2"),
    ],
)
def test_why_it_failed(info: Any, said: bytes, expected: str | None) -> None:
    assert failure(info, said) == expected
