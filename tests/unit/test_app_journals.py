import asyncio
from pathlib import Path

import pytest

from hostd import journals
from hostd.journals import Journals, Places, app_of, journal_directory, namespace
from units.journald import Limits
from units.run import CommandFailed


def test_each_app_has_a_namespace_and_the_platform_one():
    assert namespace("01234567-89ab-cdef-0123-456789abcdef") == "hostd-01234567-89ab-cdef-0123-456789abcdef"
    assert namespace("") == "hostd"


def test_an_app_is_found_by_its_namespace():
    assert app_of(namespace("some-id")) == "some-id"
    assert app_of("hostd") is None
    assert app_of("other") is None


def test_the_directory_is_that_of_journald():
    assert journal_directory("a1", "0f" * 16, Path("/var/log/journal")) == Path(
        f"/var/log/journal/{'0f' * 16}.hostd-a1"
    )


class Unit:
    def __init__(self, name, active="active"):
        self.name, self.active = name, active


class FakeSystemd:
    def __init__(self):
        self.units = []

    def list_units(self, patterns):
        assert patterns == ["hostd-journal@*.target"]
        return self.units


@pytest.fixture
def systemctl(monkeypatch):
    """What systemctl was told."""
    told = []

    async def arun(argv, *, env, timeout, check=True):
        told.append(argv[1:])

    monkeypatch.setattr(journals, "arun", arun)
    return told


@pytest.fixture
def kept(tmp_path):
    for folder in ("etc", "journals"):
        (tmp_path / folder).mkdir()
    (tmp_path / "machine-id").write_text(f"{'0f' * 16}\n")
    return Places(tmp_path / "etc", tmp_path / "journals", tmp_path / "machine-id")


def made(kept, systemd=None, limits=None, forgotten=None):
    return Journals(
        systemd or FakeSystemd(),
        limits=lambda app_id: (limits or {}).get(app_id, Limits(256)),
        app_ids=lambda: ["a1", "a2"],
        forget=(forgotten if forgotten is not None else []).append,
        places=kept,
    )


def test_every_app_gets_limits_and_sockets_at_once(kept, systemctl):
    asyncio.run(made(kept, limits={"a2": Limits(64, 7)}).ensure())
    assert systemctl == [["start", "hostd-journal@a1.target", "hostd-journal@a2.target"]]
    assert "SystemMaxUse=256M" in kept.config("a1").read_text()
    assert "MaxRetentionSec" in kept.config("a2").read_text()
    assert kept.config("a1").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in kept.etc.iterdir()) == ["journald@hostd-a1.conf", "journald@hostd-a2.conf"]


def test_before_a_dyno_starts_its_limits_are_there(kept, systemctl):
    made(kept).prepare()
    assert kept.config("a1").exists() and kept.config("a2").exists()
    assert systemctl == []


def test_a_thousand_apps_leave_systemd_time_for_others(kept, systemctl):
    asyncio.run(made(kept).ensure([f"b{number}" for number in range(1000)]))
    assert len(systemctl) == 50


def test_what_is_there_already_is_left_alone(kept, systemctl):
    systemd = FakeSystemd()
    asyncio.run(made(kept).ensure())
    systemd.units = [Unit("hostd-journal@a1.target"), Unit("hostd-journal@a2.target", "inactive")]
    systemctl.clear()
    asyncio.run(made(kept, systemd).ensure())
    assert systemctl == [["start", "hostd-journal@a2.target"]]


def test_a_journald_that_runs_learns_of_new_limits(kept, systemctl):
    systemd = FakeSystemd()
    systemd.units = [Unit("hostd-journal@a1.target"), Unit("hostd-journal@a2.target")]
    asyncio.run(made(kept).ensure())
    systemctl.clear()
    asyncio.run(made(kept, systemd, {"a1": Limits(16)}).ensure(["a1"]))
    assert systemctl == [["try-restart", "systemd-journald@hostd-a1.service"]]


def test_limits_that_changed_while_hostd_was_down_are_learnt_too(kept, systemctl):
    asyncio.run(made(kept).ensure())
    systemctl.clear()
    systemd = FakeSystemd()
    systemd.units = [Unit("hostd-journal@a1.target"), Unit("hostd-journal@a2.target")]
    later = made(kept, systemd, {"a2": Limits(64)})
    later.prepare()
    asyncio.run(later.ensure())
    asyncio.run(later.ensure())
    assert systemctl == [["try-restart", "systemd-journald@hostd-a2.service"]]


def test_an_app_that_is_destroyed_meanwhile_is_not_brought_back(kept, systemctl):
    keeping = made(kept)
    asyncio.run(keeping.ensure(["a1"]))
    asyncio.run(keeping.remove("a1"))
    systemctl.clear()
    asyncio.run(keeping.ensure())
    assert systemctl == [["start", "hostd-journal@a2.target"]]
    assert not kept.config("a1").exists()


def test_what_systemd_refuses_is_tried_again_and_stops_nothing(kept, monkeypatch, caplog):
    async def arun(argv, *, env, timeout, check=True):
        raise CommandFailed(argv, 1, b"no such target")

    monkeypatch.setattr(journals, "arun", arun)
    asyncio.run(made(kept).ensure())
    assert "no such target" in caplog.text


def test_a_destroyed_app_leaves_nothing(kept, systemctl):
    forgotten = []
    asyncio.run(made(kept).ensure(["a1"]))
    systemctl.clear()
    asyncio.run(made(kept, forgotten=forgotten).remove("a1"))
    assert systemctl[0] == [
        "stop", "hostd-journal@a1.target", "systemd-journald@hostd-a1.socket",
        "systemd-journald-varlink@hostd-a1.socket", "systemd-journald@hostd-a1.service",
    ]  # fmt: skip
    assert systemctl[1] == ["clean", "--what=runtime", "--what=logs", "systemd-journald@hostd-a1.service"]
    assert not kept.config("a1").exists()
    assert forgotten == ["a1"]


def test_of_an_app_that_left_nothing_nothing_is_taken(kept, systemctl):
    asyncio.run(made(kept).remove("gone"))
    assert systemctl == []


def test_what_a_journal_holds_is_read_where_journald_writes(kept):
    kept.files("a1").mkdir()
    (kept.files("a1") / "system.journal").write_bytes(b"x" * 8192)
    assert asyncio.run(made(kept).contents("a1")).size >= 8192
