"""Every rule of the conformance tables, played over real sockets."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from conformance.stage import Stage, stage
from conformance.tables import CASES

from router.settings import Settings
from tests.support.sampling import sampled


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Stage]:
    async with stage(Settings()) as made:
        yield made


@pytest.mark.parametrize("case", sampled(CASES), ids=lambda case: f"{case.rule}: {case.what}")
@pytest.mark.asyncio(loop_scope="module")
async def test_rule(shared, case):
    await shared.play(case)


def test_no_rule_is_there_twice():
    names = Counter((case.rule, case.what) for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []
