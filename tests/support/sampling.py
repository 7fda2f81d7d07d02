"""Long tables of cases: a part of them in quick runs, all in whole ones."""

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], one_of: int = 4) -> list[Any]:
    """The cases as parameters; one of so many is for quick runs too, the others are `thorough`."""
    marks = [(), pytest.mark.thorough]
    return [pytest.param(case, marks=marks[number % one_of != 0]) for number, case in enumerate(cases)]
