"""The versions of stacks in the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostd.errors import Conflict, NotFound
from tests.unit.ledger_kit import open_ledger


def test_the_newest_version_is_current(tmp_path: Path) -> None:
    stacks = open_ledger(tmp_path).stacks
    assert stacks.current("debian-12") is None
    stacks.add("debian-12", "20261121.1", "d1")
    added = stacks.add("debian-12", "20261122.1", "d2")
    assert (added.ref, added.current, added.packages_digest) == ("debian-12@20261122.1", True, "d2")
    assert stacks.current("debian-12") == "20261122.1"
    assert [(stack.version, stack.current) for stack in stacks.versions("debian-12")] == [
        ("20261122.1", True),
        ("20261121.1", False),
    ]


def test_an_older_version_can_be_made_current_again(tmp_path: Path) -> None:
    stacks = open_ledger(tmp_path).stacks
    stacks.add("debian-12", "20261121.1", "d1")
    stacks.add("debian-12", "20261122.1", "d2")
    stacks.add("debian-13", "20261122.1", "d3")
    stacks.make_current("debian-12", "20261121.1")
    assert (stacks.current("debian-12"), stacks.current("debian-13")) == ("20261121.1", "20261122.1")


def test_a_version_whose_files_are_gone_is_history(tmp_path: Path) -> None:
    stacks = open_ledger(tmp_path).stacks
    stacks.add("debian-12", "20261121.1", "d1")
    stacks.add("debian-12", "20261122.1", "d2")
    with pytest.raises(Conflict, match=r"debian-12@20261122.1 is current"):
        stacks.remove("debian-12", "20261122.1")
    assert stacks.remove("debian-12", "20261121.1").removed_at is not None
    assert [stack.version for stack in stacks.list()] == ["20261122.1"]
    with pytest.raises(NotFound, match=r"was removed. There are: 20261122.1."):
        stacks.make_current("debian-12", "20261121.1")
    assert sorted(stacks.ever("debian-12")) == ["20261121.1", "20261122.1"]


def test_a_destroyed_stack_has_no_current_version(tmp_path: Path) -> None:
    stacks = open_ledger(tmp_path).stacks
    stacks.add("debian-12", "20261121.1", "d1")
    assert [stack.ref for stack in stacks.remove_all("debian-12")] == ["debian-12@20261121.1"]
    assert (stacks.names(), stacks.list(), stacks.current("debian-12")) == ([], [], None)


def test_unknown_versions_are_refused_with_those_there_are(tmp_path: Path) -> None:
    stacks = open_ledger(tmp_path).stacks
    with pytest.raises(NotFound, match=r"There is no stack debian-12 here"):
        stacks.make_current("debian-12", "1")
    stacks.add("debian-12", "20261121.1", "d1")
    with pytest.raises(NotFound, match=r"There is no version '1' of debian-12. There are: 20261121.1."):
        stacks.make_current("debian-12", "1")


def test_the_apps_to_be_taken_along_are_remembered_until_their_turn(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    kate = ledger.users.add("kate@example.com")
    first, second = (ledger.apps.create(name, kate.id) for name in ("first", "second"))
    for version in ("20261121.1", "20261122.1"):
        ledger.stacks.add("debian-12", version, version)
    with pytest.raises(NotFound):
        ledger.stacks.begin_moves("debian-12", "1", kate.id, {first.id: True})
    assert (ledger.stacks.current("debian-12"), ledger.stacks.moves()) == ("20261122.1", [])
    ledger.stacks.begin_moves("debian-12", "20261121.1", kate.id, {second.id: False, first.id: True})
    assert ledger.stacks.current("debian-12") == "20261121.1"
    ledger.close()
    ledger = open_ledger(tmp_path)
    told = [(move.app_id, move.ref, move.user_id, move.was_well) for move in ledger.stacks.moves()]
    ref = "debian-12@20261121.1"
    assert told == [(first.id, ref, kate.id, True), (second.id, ref, kate.id, False)]
    ledger.stacks.end_move(first.id)
    assert [move.app_id for move in ledger.stacks.moves()] == [second.id]
    ledger.stacks.begin_moves("debian-12", "20261122.1", kate.id, {first.id: True})
    assert [(move.app_id, move.version) for move in ledger.stacks.moves()] == [(first.id, "20261122.1")]
    ledger.stacks.remove_all("debian-12")
    assert ledger.stacks.moves() == []
    ledger.close()
