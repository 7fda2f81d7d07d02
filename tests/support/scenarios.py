"""Programs that tests run inside the box, which has no tests of ours: what they import of them is sent along."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parents[2]


def with_kit(kit: str, scenarios: Path) -> str:
    """A program of a file, for `Platform.python`, that has the module `kit` (`tests.box.drain_receivers`) in itself."""
    text = (PROJECT / f"{kit.replace('.', '/')}.py").read_text()
    return (
        "import sys, types\n"
        f"kit = sys.modules[{kit!r}] = types.ModuleType({kit!r})\n"
        f"exec({text!r}, kit.__dict__)\n"
        f"{scenarios.read_text()}"
    )
