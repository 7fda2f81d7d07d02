"""Uploads: whole or not at all, for one app, for an hour."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest

from hostd.deploys import sources as module
from hostd.deploys.sources import LIFETIME, PLACES, Sources
from hostd.errors import Invalid, NotFound, Unavailable

APP, OTHER = SimpleNamespace(id="1", name="hello"), SimpleNamespace(id="2", name="other")
TREE = b"a tarball"
DIGEST = hashlib.sha256(TREE).hexdigest()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sources(tmp_path: Any, clock: Clock) -> Sources:
    return Sources(tmp_path / "uploads", clock=clock)


async def pieces(*texts: bytes) -> Any:
    for text in texts:
        yield text


async def read(sources: Sources, source_id: str, checksum: str | None = None, app: Any = APP) -> bytes:
    return b"".join([piece async for piece in sources.open(app, source_id, checksum)])


async def test_what_was_uploaded_is_read_back(sources):
    place = sources.create(APP)
    await sources.receive(place, pieces(b"a ", b"tarball"))
    for checksum in (None, f"SHA256:{DIGEST}", DIGEST):
        assert await read(sources, place, checksum) == TREE
    with pytest.raises(Invalid, match=f"the checksum SHA256:{DIGEST}, not SHA256:00"):
        await read(sources, place, "SHA256:00")


async def test_half_an_upload_is_none(sources, tmp_path):
    async def broken() -> Any:
        yield b"a "
        raise ConnectionResetError

    place = sources.create(APP)
    with pytest.raises(ConnectionResetError):
        await sources.receive(place, broken())
    with pytest.raises(NotFound, match="Nothing was uploaded"):
        await read(sources, place)
    assert list((tmp_path / "uploads").iterdir()) == []


async def test_an_upload_is_for_its_app_alone(sources):
    place = sources.create(APP)
    await sources.receive(place, pieces(TREE))
    with pytest.raises(NotFound):
        await read(sources, place, app=OTHER)
    with pytest.raises(NotFound):
        await read(sources, "00000000-0000-0000-0000-000000000000")


async def test_uploads_are_forgotten(sources, clock, tmp_path):
    first, *others = [sources.create(APP) for _ in range(PLACES)]
    for place in (first, *others):
        await sources.receive(place, pieces(TREE))
    sources.create(APP)
    with pytest.raises(NotFound):
        await read(sources, first)
    clock.now = LIFETIME + 1
    for place in others:
        with pytest.raises(NotFound, match="older than an hour"):
            await read(sources, place)
    sources.create(OTHER)
    assert list((tmp_path / "uploads").iterdir()) == []


async def test_uploads_are_bounded(sources, monkeypatch, tmp_path):
    place = sources.create(APP)
    monkeypatch.setattr(module, "LARGEST", 5)
    with pytest.raises(Invalid, match="larger than"):
        await sources.receive(place, pieces(TREE))
    monkeypatch.setattr(module, "KEPT_FREE", 1 << 60)
    with pytest.raises(Unavailable, match="nearly full"):
        await sources.receive(place, pieces(b"abc"))
    assert list((tmp_path / "uploads").iterdir()) == []


async def test_a_restart_begins_with_no_uploads(sources, tmp_path):
    place = sources.create(APP)
    await sources.receive(place, pieces(TREE))
    again = Sources(tmp_path / "uploads")
    assert not (tmp_path / "uploads").exists()
    with pytest.raises(NotFound):
        await read(again, place)


async def test_whether_something_is_there_is_told_until_it_is_discarded_or_old(sources, clock):
    first, second = sources.create(APP), sources.create(APP)
    assert sources.is_there(first) is False
    for place in (first, second):
        await sources.receive(place, pieces(TREE))
    assert sources.is_there(first) is True
    sources.discard(first)
    assert sources.is_there(first) is sources.is_there("none") is None
    clock.now = LIFETIME + 1
    assert sources.is_there(second) is None
