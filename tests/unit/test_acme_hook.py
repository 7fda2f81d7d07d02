"""The admin's program for records in the DNS: how it is called, and what is made of its failure."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from hostd.acme import hook as module
from hostd.acme.failure import Failure
from hostd.acme.hook import Hook

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
ME = "root"
DOCS = Path(__file__).parents[2] / "docs" / "certificates.md"
NAME, VALUE = "_acme-challenge.example.com", "a-b_c"


@pytest.fixture
def program():
    """Makes a program that everybody can run."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)

    def write(text):
        path = folder / "dns-hook"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    yield write
    shutil.rmtree(folder)


async def test_it_gets_the_words_as_they_are_and_no_environment_of_hostds(program, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_HOSTD", "x")
    said = tmp_path / "said"
    hook = Hook(program(f'{{ printf "<%s>" "$@"; env; id -u; }} >> {said}'), ME)
    await hook.add(NAME, VALUE)
    await hook.remove(NAME, VALUE)
    text = said.read_text()
    assert f"<add><{NAME}><{VALUE}>" in text and f"<remove><{NAME}><{VALUE}>" in text
    assert "SECRET_OF_HOSTD" not in text
    assert str(os.getuid()) in text.splitlines()


async def test_a_value_that_looks_like_an_option_stays_a_value(program, tmp_path):
    said, example = tmp_path / "said", re.search(r"```sh\n#!/bin/sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    tool = Path(program("")).with_name("zone-tool")
    tool.write_text(f'#!/bin/sh\nprintf "<%s>" "$@" >> {said}\n')
    tool.chmod(0o755)
    hook = Hook(program(example[1].replace("zone-tool ", f"{tool} ")), ME)
    await hook.add(NAME, "-rf")
    await hook.remove(NAME, "-rf")
    assert said.read_text() == f"<add-txt><--wait><--><{NAME}><-rf><remove-txt><--><{NAME}><-rf>"


async def test_it_runs_as_another_user_without_any_right_of_roots(program):
    with pytest.raises(Failure) as refused:
        await Hook(program("id -un; id -Gn; grep CapEff /proc/self/status; cat /etc/shadow"), "nobody").add(NAME, VALUE)
    user, groups, rights, shadow = refused.value.output
    assert (user, groups, rights) == ("nobody", "nogroup", "CapEff: 0000000000000000")
    assert shadow.endswith("/etc/shadow: Permission denied")


async def test_its_output_is_told_when_it_fails(program):
    hook = Hook(program("echo trying; echo 'no such zone\x1b[0m' >&2; exit 3"), ME)
    with pytest.raises(Failure) as failed:
        await hook.add(NAME, VALUE)
    assert failed.value.reason.endswith("add ended with status 3: no such zone [0m")
    assert failed.value.output == ("trying", "no such zone [0m")


async def test_a_program_that_does_not_end_is_ended(program, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.2)
    with pytest.raises(Failure, match=r"did not end within 0\.2 seconds"):
        await Hook(program("exec sleep 60"), ME).add(NAME, VALUE)


@pytest.mark.parametrize(("path", "user", "message"), [
    ("/nowhere/dns-hook", ME, "ended with status 127"),
    ("/bin/true", "nobody-of-that-name", "there is no user nobody-of-that-name"),
])  # fmt: skip
async def test_a_program_or_user_that_is_not_there(path, user, message):
    with pytest.raises(Failure, match=message):
        await Hook(path, user).add(NAME, VALUE)
