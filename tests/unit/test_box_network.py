"""The network that a box shares with the machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hostd.box.network import allow_forwarding, end_forwarding, network_name


@pytest.mark.parametrize("name", ["hostd", "b5", "x", "abcdefgh"])
def test_a_short_name_is_the_networks_too(name: str) -> None:
    assert network_name(name) == name


@pytest.mark.parametrize("name", ["0", "my-box", "ninechars", "a" * 40])
def test_another_becomes_one_that_fits(name: str) -> None:
    made = network_name(name)
    assert re.fullmatch(r"[a-z][a-z0-9]{0,7}", made)
    assert made != network_name(f"{name}x")


def test_the_last_box_switches_off_what_the_first_switched_on(tmp_path: Path) -> None:
    forwarding, memory = tmp_path / "ip_forward", tmp_path / "memory"
    forwarding.write_text("0\n")
    allow_forwarding("one", memory, forwarding)
    allow_forwarding("two", memory, forwarding)
    allow_forwarding("two", memory, forwarding)
    end_forwarding("one", memory, forwarding)
    assert forwarding.read_text() == "1\n"
    end_forwarding("two", memory, forwarding)
    assert forwarding.read_text() == "0\n"
    assert not memory.exists()
    end_forwarding("two", memory, forwarding)
    assert forwarding.read_text() == "0\n"


def test_what_somebody_else_switched_on_stays(tmp_path: Path) -> None:
    forwarding, memory = tmp_path / "ip_forward", tmp_path / "memory"
    forwarding.write_text("1\n")
    allow_forwarding("one", memory, forwarding)
    end_forwarding("one", memory, forwarding)
    assert forwarding.read_text() == "1\n"


def test_a_machine_that_switched_it_off_meanwhile_gets_it_on_and_off_again(tmp_path: Path) -> None:
    forwarding, memory = tmp_path / "ip_forward", tmp_path / "memory"
    forwarding.write_text("1\n")
    allow_forwarding("one", memory, forwarding)
    forwarding.write_text("0\n")
    allow_forwarding("one", memory, forwarding)
    assert forwarding.read_text() == "1\n"
    end_forwarding("one", memory, forwarding)
    assert forwarding.read_text() == "0\n"
