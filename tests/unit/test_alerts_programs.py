"""Alerts that run a program of the operator's: which, as what unit, and how it ends."""

from __future__ import annotations

import json
import os

import pytest

from hostd.alerts.notify.notifier import NotSent
from hostd.alerts.notify.programs import Programs, Units, failure, unit_properties
from units.properties import encode
from units.systemd import SystemdUnavailable, UnitFailed, UnitInfo

MESSAGE = {"id": "53bd", "event": "firing", "text": "hello: Alert p95>500ms for 5m is firing", "hint": "More: x"}


class FakeUnits:
    def __init__(self) -> None:
        self.ran = []

    async def run(self, argv, content, *, confined):
        self.ran.append((argv, json.loads(content), confined))


async def test_a_program_must_be_one_that_only_root_can_have_put_there(tmp_path):
    directory, units = tmp_path / "alerts.d", FakeUnits()
    programs = Programs(directory, units)
    with pytest.raises(NotSent, match="there is no program"):
        await programs.send("page", MESSAGE)
    directory.mkdir(mode=0o755)
    program = directory / "page"
    program.write_text("#!/bin/sh\n")
    for mode, said in ((0o644, "chmod 755"), (0o700, "chmod 755"), (0o775, "nobody else"), (0o757, "nobody else")):
        program.chmod(mode)
        with pytest.raises(NotSent, match=said):
            await programs.send("page", MESSAGE)
    program.chmod(0o755)
    (directory / "link").symlink_to(program)
    with pytest.raises(NotSent, match="nobody else may write"):
        await programs.send("link", MESSAGE)
    await programs.send("page", MESSAGE)
    assert units.ran == [([str(program)], MESSAGE, True)]
    directory.chmod(0o777)
    with pytest.raises(NotSent, match=r"alerts\.d must be root's"):
        await programs.send("page", MESSAGE)


def info(**more):
    known = dict(
        name="x", description="", active="failed", sub="failed", result="success", exec_main_code=1,
        exec_main_status=0, main_pid=0, control_group="",
    )  # fmt: skip
    return UnitInfo(**known | more)


LEFT = "hostd-alert-0f00957841e2.service"


class FakeSystemd:
    """Runs nothing: units end as they are told to, and what stood on their standard input is noted."""

    def __init__(self, ends=None, fails=None) -> None:
        self.ends, self.fails = ends, fails
        self.read, self.let_go = [], []

    def subscribe(self, callback):
        return

    async def start(self, name, properties):
        self.read.append(os.pread(properties["StandardInputFileDescriptor"], 1000, 0))
        if self.fails:
            raise self.fails

    async def stop(self, name):
        return self.info(name)

    def info(self, name):
        return self.ends

    def unref(self, name):
        self.let_go.append(name)

    def list_units(self, patterns):
        return [info(name=name) for name in (LEFT, "hostd-alert-web.1-v2.service", "hostd-alert-x.service")]


async def test_a_program_gets_the_message_and_its_unit_goes():
    systemd = FakeSystemd(info(sub="exited", active="active"))
    await Units(systemd).run(["/etc/hostd/alerts.d/page"], b"the message", confined=True)
    assert systemd.read == [b"the message"] and len(systemd.let_go) == 1
    systemd = FakeSystemd(info(result="exit-code", exec_main_status=3))
    with pytest.raises(NotSent, match="page ended with status 3"):
        await Units(systemd).run_unconfined(["/etc/hostd/alerts.d/page"], b"")
    systemd = FakeSystemd(fails=UnitFailed("hostd-alert-1.service", "exit-code", 203))
    with pytest.raises(NotSent, match="page cannot be started: it must be machine code, or begin with #!"):
        await Units(systemd).run(["/etc/hostd/alerts.d/page"], b"", confined=True)
    assert len(systemd.let_go) == 1


def test_what_a_killed_hostd_has_left_is_let_go(tmp_path, caplog):
    systemd = FakeSystemd()
    Programs(tmp_path, Units(systemd)).sweep()
    assert systemd.let_go == [LEFT], "and no dyno of an app that is called alert"

    def away(patterns):
        raise SystemdUnavailable("systemd is away")

    systemd.list_units = away
    Programs(tmp_path, Units(systemd)).sweep()
    assert "are left: systemd is away" in caplog.text


def test_how_programs_end():
    assert failure(info()) is None
    assert failure(info(result="exit-code", exec_main_status=3)) == "ended with status 3"
    assert failure(info(result="timeout")) == "took longer than 30 seconds"
    assert failure(info(result="oom-kill")) == "needed more than 256 MB of memory"
    assert failure(info(result="signal")) == "ended with signal"
    assert failure(None) == "was stopped"


def test_a_programs_unit_gets_no_rights():
    confined = unit_properties(["/etc/hostd/alerts.d/page", "$HOME"], 3, confined=True)
    assert confined["NoNewPrivileges"] and confined["CapabilityBoundingSet"] == 0
    assert confined["ProtectSystem"] == "strict" and confined["User"] == "hostd-alerts"
    assert confined["ExecStart"] == [("/etc/hostd/alerts.d/page", ["/etc/hostd/alerts.d/page", "$$HOME"], False)]
    free = unit_properties(["/usr/sbin/sendmail"], 3, confined=False)
    implying = ("NoNewPrivileges", "PrivateDevices", "RestrictRealtime", "SystemCallFilter", "ProtectKernelTunables")
    assert not free.keys() & set(implying), "each of them takes the mail system's group away"
    assert encode(confined), "systemd's type of each property is known"
