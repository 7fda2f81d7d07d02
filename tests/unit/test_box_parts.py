import argparse
import re
from pathlib import Path

import pytest

from hostd.box import Box, BoxError
from hostd.box.boot import Bind, console_tail, nspawn_command
from hostd.box.cgroups import Groups
from hostd.box.cli import main, parse_size
from hostd.box.run import run


@pytest.mark.parametrize("name", ["", "-a", "A", "a/b", "..", "a" * 41, "ä"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(BoxError, match="is no name for a box"):
        Box(name)


def test_a_box_that_does_not_run_says_how_to_start_it(tmp_path):
    box = Box("never-made", tmp_path)
    assert box.leader() is None
    assert not box.status().running
    with pytest.raises(BoxError, match="hostctl box start"):
        box.command(["true"])


def test_status_of_a_box_that_was_never_made(tmp_path, capsys):
    assert main(["--name", "never-made", "--directory", str(tmp_path), "status"]) == 3
    assert "not made yet" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "size"), [("1024", 1024), ("2K", 2048), ("3m", 3 << 20), ("20G", 20 << 30)])
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "0", "-1", "1.5G", "20GB", "x"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no size"):
        parse_size(text)


def test_the_command_line_of_nspawn():
    words = nspawn_command(
        "hostd-one", Path("/b/root"), [Bind(Path("/a:b"), Path("/c"))], [Path("/hidden")], Path("/init")
    )
    assert words[0] == "systemd-nspawn"
    assert words[-1] == "/init"
    assert "--directory=/b/root" in words
    assert "--bind=/a\\:b:/c" in words
    assert "--tmpfs=/hidden:mode=0700" in words
    assert "--boot" not in words


def test_console_tail_is_plain_text(tmp_path):
    log = tmp_path / "console.log"
    log.write_bytes(b"first\r\n\x1b[0;32m  OK  \x1b[0m Started\n\n\xff last\n")
    assert console_tail(log, lines=2) == "  OK   Started\n\ufffd last"
    assert console_tail(tmp_path / "none") == "(no console output)"


def test_groups_on_cgroup_v1_are_one_in_each_hierarchy(tmp_path):
    for name in ("memory", "pids", "systemd", "cpuset"):
        (tmp_path / name).mkdir()
    groups = Groups("one", tmp_path)
    assert groups.create() == [tmp_path / name / "hostd-box-one/cgroup.procs" for name in ("memory", "pids", "systemd")]
    (tmp_path / "memory/hostd-box-one/system.slice/x.service").mkdir(parents=True)
    groups.remove()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cpuset", "memory", "pids", "systemd"]


def test_groups_on_cgroup_v2_are_one(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    assert Groups("one", tmp_path).create() == [tmp_path / "hostd-box-one/cgroup.procs"]


def test_a_failed_command_tells_its_own_words():
    with pytest.raises(BoxError, match="No such file"):
        run(["ls", "/nowhere"], env={"LC_ALL": "C"})
    with pytest.raises(BoxError, match="is not installed"):
        run(["no-such-command"])
    with pytest.raises(BoxError, match=re.escape("did not end within 0.1 s")):
        run(["sleep", "5"], timeout=0.1)
