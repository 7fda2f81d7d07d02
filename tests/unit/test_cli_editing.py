"""config:edit: what an editor is given, and what becomes of what it leaves, against a fake API."""

from __future__ import annotations

import pytest
from cli_fakes import hostctl
from hypothesis import given
from hypothesis import strategies as st

from hostd.cli.command import Refused
from hostd.cli.editing import as_text, changed
from hostd.local.environment import parse

VARS = "GET /apps/hello/config-vars"
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
BEFORE = {"A": "1", "B": "two words", "C": 'say "hi"\n'}


def editor(folder, script):
    """A program that stands for an editor; the file is its $1."""
    program = folder / "editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def edited(hostd, folder, script, *words):
    hostd.on("PATCH /apps/hello/config-vars", (200, {}, {"Hostd-Release": "7"}))
    return hostctl(folder, "config:edit", *words, "-a", "hello", EDITOR=editor(folder, script))


def patched(hostd):
    return [request.json for request in hostd.requests if request.method == "PATCH"]


def test_lines_are_changed_added_and_taken_out(hostd, tmp_path):
    hostd.on(VARS, (200, BEFORE))
    script = f"cp $1 {tmp_path}/seen; sed -i -e s/^A=1/A=2/ -e /^B=/d $1; echo D=new >> $1"
    ran = edited(hostd, tmp_path, script)
    assert ran.status == 0, ran.err
    assert (tmp_path / "seen").read_text() == 'A=1\nB=two words\nC="say \\"hi\\"\\n"\n'
    assert patched(hostd) == [{"A": "2", "D": "new", "B": None}]
    assert "Changing A, D, B and restarting hello... done" in ran.err


def test_one_value_is_edited_as_it_is(hostd, tmp_path):
    hostd.on(VARS, (200, BEFORE))
    assert edited(hostd, tmp_path, 'printf "x\\ny\\n" > $1', "A").status == 0
    assert edited(hostd, tmp_path, 'printf "more\\n" >> $1', "C").status == 0
    assert edited(hostd, tmp_path, 'printf "$(cat $1)fresh\\n" > $1', "NEW").status == 0
    assert patched(hostd) == [{"A": "x\ny"}, {"C": 'say "hi"\nmore\n'}, {"NEW": "fresh"}]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("true", "Nothing was changed."),
        ("exit 3", "ended with status 3. Nothing was changed."),
        ("echo nonsense >> $1", "config.env, line 4: no equals sign; write it as KEY=value. Nothing was changed."),
    ],
)
def test_nothing_is_done_without_a_change_that_can_be_read(hostd, tmp_path, script, said):
    hostd.on(VARS, (200, BEFORE))
    ran = edited(hostd, tmp_path, script)
    assert said in ran.err and patched(hostd) == []


def test_what_changed_meanwhile_is_not_undone(hostd, tmp_path):
    hostd.on(VARS, (200, BEFORE), (200, {**BEFORE, "A": "3"}))
    ran = edited(hostd, tmp_path, "echo A=2 > $1")
    assert ran.status == 1 and "have changed while you edited them" in ran.err and patched(hostd) == []


def test_without_an_editor(hostd, tmp_path):
    hostd.on(VARS, (200, BEFORE))
    ran = hostctl(tmp_path, "config:edit", "-a", "hello", EDITOR="/nowhere/editor")
    assert ran.status == 1 and "/nowhere/editor cannot be used as an editor" in ran.err


@given(st.dictionaries(KEYS, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30), max_size=5))
@pytest.mark.thorough
def test_what_is_shown_is_read_back(values):
    try:
        text = as_text(values)
    except Refused as error:
        assert any(key in str(error) for key in values)
        return
    assert parse(text, "config") == values
    assert changed(values, parse(text, "config")) == {}
