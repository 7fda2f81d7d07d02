"""Which slugs may go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hostd.deploys.retention import surplus
from hostd.ledger import Use

A, B = "app-a", "app-b"


def gone(names: str, uses: list[Use], kept: int) -> str:
    """The names of the slugs that may go."""
    slugs: list[Any] = [SimpleNamespace(id=name) for name in names]
    return "".join(slug.id for slug in surplus(slugs, uses, kept))


def history(releases: str, app: str = A) -> list[Use]:
    """The uses of slugs by an app whose releases name these, the first being v1; `-` names none."""
    found = {name: Use(name, app, version, len(releases)) for version, name in enumerate(releases, 1) if name != "-"}
    return list(found.values())


@pytest.mark.parametrize(
    ("releases", "kept", "expected"),
    [
        ("-", 20, "abcd"),
        ("-abcd", 20, ""),
        ("-abcd", 4, ""),
        ("-abcd", 3, "a"),
        ("-abcd", 2, "ab"),
        ("-abcd", 1, "ab"),  # the one before the current stays in any case
        ("-abcda", 2, "bc"),  # a rollback makes an old slug new again
        ("-abcdddddd", 3, "ab"),  # releases count, not slugs; c is what was before d
        ("-abcddd", 5, "a"),
        ("-dcba", 2, "cd"),
    ],
)
def test_slugs_of_one_app(releases: str, kept: int, expected: str) -> None:
    assert gone("abcd", history(releases), kept) == expected


def test_what_no_release_of_an_app_that_exists_names_may_go() -> None:
    assert gone("ab", [], 20) == "ab"


def test_what_another_app_runs_stays() -> None:
    uses = history("-abcd") + history("-a", B)
    assert gone("abcd", uses, 2) == "b"


def test_the_order_is_that_of_the_slugs() -> None:
    assert gone("dcba", history("-abcd"), 1) == "ba"
