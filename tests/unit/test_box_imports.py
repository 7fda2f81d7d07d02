"""What tests in a box take from each other. Not with the other checks of the code: those run before all is imported."""

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).parents[2]


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
