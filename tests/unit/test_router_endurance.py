"""Memory and file descriptors of a worker stay flat, whatever is asked and however often.

    HOSTD_TEST_REQUESTS=10000000 python -m pytest -s tests/unit/test_router_endurance.py     longer than 40,000 requests
"""

from __future__ import annotations

import faulthandler
import os
from pathlib import Path

import pytest
from endurance import mixed

REQUESTS = int(os.environ.get("HOSTD_TEST_REQUESTS", "40000"))
LONG = REQUESTS >= 1_000_000
PIPELINES = 50 if LONG else 2
"""A long run has more that are quick."""
WARM_UP = 40_000
LEAK = 128
"""Bytes for each request: less than anything of it that could be kept by mistake, with its place in what keeps it."""


@pytest.mark.thorough
async def test_nothing_is_kept_of_requests(tmp_path: Path) -> None:
    if LONG:
        faulthandler.cancel_dump_traceback_later()  # which would end it, as any test that takes so long
    async with mixed(tmp_path) as mix:
        while mix.made < WARM_UP:
            await mix.round()
        files, memory, warmed = await mix.rest(), mix.worker.memory(), mix.made
        while mix.made < warmed + REQUESTS:
            await mix.round(PIPELINES)
        assert await mix.rest(files) == files
        count, grown = mix.made - warmed, mix.worker.memory() - memory
    print(f"\n{count} requests: {grown / 1024:+.0f} KiB of {memory / 2**20:.1f} MiB, {files} files open as before")
    assert grown < count * LEAK
