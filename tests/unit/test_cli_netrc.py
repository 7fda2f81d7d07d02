"""~/.netrc: entries found, changed and taken out, every other byte as it was."""

from __future__ import annotations

import netrc as standard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostd.cli import netrc
from hostd.cli.command import Refused

OTHERS = [
    "",
    "machine a.example.com login me password x\n",
    "# machine api.example.com login no password no\n",
    "machine a.example.com\n\tlogin me\n\tpassword #1\n",
    'machine a.example.com login "my self" password "a\\"b"',
    "macdef init\nmachine api.example.com login no password no\n\n",
    "machine a login b password machine\n",
]


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_added_and_taken_out_again_leaves_no_trace(text):
    added = netrc.with_entry(text, "api.example.com", "you@example.com", "secret")
    assert netrc.password(added, "api.example.com") == "secret"
    assert netrc.without_entry(added, "api.example.com").rstrip("\n") == text.rstrip("\n")
    assert netrc.password(text, "api.example.com") is None


def test_an_entry_is_changed_where_it_stands():
    text = "machine a login b password c\n\n machine  x login y\n  password z # mine\n machine d login e password f"
    changed = netrc.with_entry(text, "x", "me", "new")
    assert changed == (
        "machine a login b password c\n\n machine x\n  login me\n  password new # mine\n machine d login e password f"
    )
    assert netrc.with_entry(changed, "x", "me", "new") == changed


def test_a_machine_that_is_there_twice_is_there_once_afterwards():
    text = "machine x login a password 1\nmachine y login b password 2\nmachine x login c password 3\n"
    assert netrc.password(text, "x") == "1"
    assert netrc.with_entry(text, "x", "a", "9") == (
        "machine x\n  login a\n  password 9\nmachine y login b password 2\n"
    )
    assert netrc.without_entry(text, "x") == "machine y login b password 2\n"


def test_an_entry_goes_before_the_default():
    text = "machine a login b password c\ndefault login anonymous password x\n"
    added = netrc.with_entry(text, "x", "me", "1")
    assert added.index("machine x") < added.index("default")
    assert netrc.password(added, "x") == "1"


_FILES = st.text(alphabet="abc \"\\\n#mchinelogpswrd.", max_size=120)


@given(_FILES, st.text(alphabet='ab"\\# ', min_size=1, max_size=9))
def test_whatever_the_file_holds_an_entry_can_be_read_back(text, secret):
    added = netrc.with_entry(text, "x.example", "me", secret)
    assert netrc.with_entry(added, "x.example", "me", secret) == added


def test_the_standard_library_reads_what_is_written(tmp_path):
    file = tmp_path / ".netrc"
    netrc.save(file, netrc.with_entry("machine a login b password c\n", "x", "you@example.com", "HRKU-a_b-c"))
    assert standard.netrc(str(file)).authenticators("x") == ("you@example.com", "", "HRKU-a_b-c")


def test_a_link_stays_a_link_and_what_it_leads_to_is_for_the_owner_alone(tmp_path):
    real = tmp_path / "dotfiles" / "netrc"
    real.parent.mkdir()
    real.write_text("old")
    real.chmod(0o644)
    link = tmp_path / ".netrc"
    link.symlink_to(real)
    netrc.save(link, "new")
    assert link.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(real.parent.iterdir()) == [real]


def test_a_file_that_cannot_be_written_or_read_is_said(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(Refused, match="cannot be written"):
        netrc.save(tmp_path / "taken" / ".netrc", "x")
    with pytest.raises(Refused, match="cannot be read"):
        netrc.load(tmp_path)


def test_bytes_that_are_no_text_stay(tmp_path):
    file = tmp_path / ".netrc"
    file.write_bytes(b"machine a login \xff password c\n")
    netrc.save(file, netrc.with_entry(netrc.load(file), "x", "me", "1"))
    assert file.read_bytes().startswith(b"machine a login \xff password c\n")
