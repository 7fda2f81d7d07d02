"""Which event loop a test runs on: that of the program it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The router's workers run on uvloop, all else on asyncio's own."""
    return {"loop": uvloop.new_event_loop if item.path.name.startswith("test_router_") else asyncio.new_event_loop}
