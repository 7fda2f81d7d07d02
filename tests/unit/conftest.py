"""What unit tests share: the event loop of the program they are about, the world's time, a ledger, a fake hostd."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from cli_fakes import FakeHostd
from ledger_kit import open_ledger

from hostd.ledger import Ledger

os.environ["TZ"] = "UTC"
time.tzset()


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The router's workers run on uvloop, all else on asyncio's own."""
    return {"loop": uvloop.new_event_loop if item.path.name.startswith("test_router_") else asyncio.new_event_loop}


@pytest.fixture
def hostd(tmp_path: Path) -> Iterator[FakeHostd]:
    """One that answers as the test tells it to, at its socket in the test's directory."""
    with FakeHostd(tmp_path).serving() as fake:
        yield fake


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new one."""
    opened = open_ledger(tmp_path / "master")
    yield opened
    opened.close()


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords' hashes that cost next to nothing, where they are not what is tested."""
    monkeypatch.setattr("router.passwords.scrypt", _cheap)


def _cheap(password: bytes, *, salt: bytes, dklen: int, **_: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=2, r=1, p=1, dklen=dklen)
