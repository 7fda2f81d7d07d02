"""What the installer does about networks, with programs of the test's own in place of ip, nft and unshare."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hostd.install.errors import InstallError
from hostd.install.network import require_kernel, with_free_addresses
from hostd.settings import Settings
from units.addresses import free_range


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`program("nft", "exit 1")` is what is found under that name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    for name in ("ip", "nft"):
        make(name, "exit 0")
    return make


def test_a_kernel_that_cannot_take_the_rules_is_refused_with_its_words(program):
    program("unshare", "cat >/dev/null; echo 'Could not process rule: Operation not supported' >&2; exit 1")
    with pytest.raises(InstallError) as refusal:
        require_kernel(Settings())
    said = str(refusal.value)
    assert said.startswith(
        "this kernel cannot shut apps and builds off from the machine, and hostd does not run them otherwise."
    )
    assert "Operation not supported" in said
    assert "nf_tables" in said


def test_a_kernel_that_can_is_not(program):
    program("unshare", "cat >/dev/null; exit 0")
    require_kernel(Settings())


def test_addresses_that_were_chosen_stay(program, tmp_path):
    file = tmp_path / "hostd.toml"
    assert with_free_addresses(Settings(), file, {"network_prefix": "10.83.0.0/16"}) == Settings()
    file.write_text('network_prefix = "10.83.0.0/16"\n')
    assert with_free_addresses(Settings(), file, {}) == Settings()


@pytest.mark.parametrize("where", ["ip", "nft"])
def test_free_ones_are_those_that_nothing_speaks_of(program, tmp_path, where):
    usual = free_range("hostd", [])
    assert usual is not None
    program(where, f"echo 'something about {usual[77]}'")
    found = IPv4Network(with_free_addresses(Settings(), tmp_path / "none", {}).network_prefix)
    assert not found.overlaps(usual)
    assert found.prefixlen == 16


def test_a_machine_that_uses_all_of_them_is_told_what_to_say(program, tmp_path):
    program("ip", "echo '10.0.0.0/8 dev a'; echo '172.16.0.0/12 dev b'")
    with pytest.raises(InstallError, match=r"use, write it into .* as a line `network_prefix = \"RANGE\"`"):
        with_free_addresses(Settings(), tmp_path / "none", {})
