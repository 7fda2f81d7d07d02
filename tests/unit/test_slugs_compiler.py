"""The parts of the compiler that need no box: the unit as a value, Procfiles on disk, reasons of failures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from buildpacks.procfile import ProcfileError
from buildpacks.release import Release
from buildpacks.report import Report, UsedBuildpack
from slugs.build_unit import BuildLimits, Ended, unit_name, unit_properties
from slugs.compiler import discover, failure
from slugs.declared import AppJsonError, healthchecks, read_app_json, read_procfile
from slugs.errors import BuildFailed, NoBuildpack
from slugs.pool import size
from slugs.stacks import Stack
from units.network import Network
from units.sandbox import Bind
from units.systemd import UnitInfo

BINDS = [Bind(Path(path), Path(path)) for path in ("/usr", "/etc/resolv.conf")]
STACK = Stack("host", Path("/pool/stacks/host"), BINDS, [], "debian-12", "Debian-12")


NETWORK = Network("hostd-build-b1", Path("/proc/9/fd/7"), "10.83.0.2", "hostd-2", Path("/run/hostd/resolv.conf"))


def properties(network: Network | None = NETWORK) -> dict[str, Any]:
    return unit_properties(
        stack=STACK,
        uid=200001,
        binds=[Bind(Path("/pool/builds/b1"), Path("/app"), writable=True)],
        limits=BuildLimits(memory_max=123 << 20),
        description="hello build b1",
        buildpacks=Path("/packs"),
        stdio=(3, 4, 5),
        network=network,
    )


def test_build_runs_shut_in_below_its_slice() -> None:
    unit = properties()
    assert unit["Slice"] == "hostd-builds.slice"
    assert unit["User"] == "200001"
    assert unit["MemoryMax"] == 123 << 20
    assert (unit["CPUWeight"], unit["TasksMax"]) == (20, 1024)
    assert unit["NoNewPrivileges"] is True
    assert unit["RootDirectory"] == "/pool/stacks/host"


def test_a_build_has_a_network_of_its_own_and_asks_its_resolvers() -> None:
    unit = properties()
    assert unit["NetworkNamespacePath"] == "/proc/9/fd/7"
    resolvers = [source for source, target, *_ in unit["BindReadOnlyPaths"] if target == "/etc/resolv.conf"]
    assert resolvers == ["/run/hostd/resolv.conf"]
    shared = properties(None)
    assert "NetworkNamespacePath" not in shared
    assert ("/etc/resolv.conf", "/etc/resolv.conf", False, 0) in shared["BindReadOnlyPaths"]


def test_config_vars_lie_in_memory_that_only_the_app_can_read() -> None:
    unit = properties()
    assert ("/env", "mode=0700,uid=200001,gid=200001,size=4M") in unit["TemporaryFileSystem"]
    assert {"/app", "/env"} <= set(unit["ReadWritePaths"])


def test_command_starts_from_an_empty_environment() -> None:
    commands = next(value for name, value in properties().items() if name.startswith("ExecStart"))
    assert commands[0][1] == ["/usr/bin/env", "-i", "/bin/bash", "/.hostd/runner/build"]


def test_unit_name() -> None:
    assert unit_name("b1") == "hostd-build-b1.service"


def test_procfile_is_read(tmp_path: Path) -> None:
    assert read_procfile(tmp_path) == b""
    (tmp_path / "Procfile").write_bytes(b"web: x\n")
    assert read_procfile(tmp_path) == b"web: x\n"


def test_procfile_must_be_an_ordinary_file(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    for make in (lambda: procfile.symlink_to("/etc/shadow"), procfile.mkdir, lambda: os.mkfifo(procfile)):
        make()
        with pytest.raises(ProcfileError, match="must be an ordinary file"):
            read_procfile(tmp_path)
        procfile.rmdir() if procfile.is_dir() and not procfile.is_symlink() else procfile.unlink()


def test_app_json_must_be_an_ordinary_file(tmp_path: Path) -> None:
    assert read_app_json(tmp_path) == b""
    (tmp_path / "app.json").symlink_to("/etc/shadow")
    with pytest.raises(AppJsonError, match="must be an ordinary file, and is a link"):
        read_app_json(tmp_path)


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        ("", {}),
        ("{}", {}),
        ("[]", {}),
        ('{"healthchecks": {"worker": [{"path": "/x"}]}}', {}),
        ('{"healthchecks": {"web": [{"type": "startup", "uptime": 5}]}}', {}),
        (
            '{"healthchecks": {"web": [{"uptime": 5}, {"path": "/health?deep=1"}, {"path": "/b"}]}}',
            {"web": "/health?deep=1"},
        ),
        ('{"healthchecks": {"web": {"path": "/health"}}}', {"web": "/health"}),
    ],
)
def test_a_health_check_is_taken_from_app_json(text: str, checks: dict[str, str]) -> None:
    assert healthchecks(text.encode()) == checks


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "larger than 64 KB"),
        ("[" * 60_000, "no JSON"),
        ('{"healthchecks": {"web": [{"path": "health"}]}}', "must begin with /"),
        ('{"healthchecks": {"web": [{"path": "/a b"}]}}', "no blanks"),
        ('{"healthchecks": {"web": [{"path": "/a\\r\\nHost: x"}]}}', "no blanks"),
        ('{"healthchecks": {"web": [{"path": 1}]}}', "must begin with /"),
    ],
)
def test_what_is_wrong_with_an_app_json_is_said(text: str, why: str) -> None:
    with pytest.raises(AppJsonError, match=why):
        healthchecks(text.encode())


async def test_process_types_and_what_buildpacks_suggest_are_told(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("worker: work\nweb: serve\n")
    said = b""

    async def hear(piece: bytes) -> None:
        nonlocal said
        said += piece

    release = Release({"web": "default", "rake": "rake"}, addons=["heroku-postgresql:dev", "heroku-redis"])
    types = await discover(tmp_path, Report(release=release), hear)
    assert types == {"web": "serve", "rake": "rake", "worker": "work"}
    assert said.decode() == (
        "-----> Discovering process types\n"
        "       Procfile declares types -> web, worker\n"
        "       Default types for buildpack -> rake, web\n"
        "       Add-ons that buildpacks suggest -> heroku-postgresql:dev, heroku-redis\n"
    )


def ended(
    *, result: str = "exit-code", code: int = 1, status: int = 1, failed: str | None, exit_status: int = 0
) -> Ended:
    info = UnitInfo("u", "d", "failed", "failed", result, code, status, 0, "")
    return Ended(info, Report((UsedBuildpack("heroku/python", language="Python"),), failed=failed, status=exit_status))


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (ended(failed="compile", exit_status=3), "Failed to compile the Python app (exit status 3)"),
        (ended(failed="source"), "did not arrive whole"),
        (ended(failed="", result="oom-kill"), "more than its 2.0G of memory"),
        (ended(failed="", result="signal", code=2, status=9), "more than its 2.0G of memory"),
        (ended(failed="compile", exit_status=137), "more than its 2.0G of memory"),
        (ended(failed="", status=127), "ended early: exit-code, status 127"),
    ],
)
def test_failures_name_their_reason(how: Ended, text: str) -> None:
    error = failure(how, BuildLimits())
    assert isinstance(error, BuildFailed)
    assert text in str(error)


def test_no_buildpack_says_what_is_looked_for() -> None:
    error = failure(ended(failed="detect"), BuildLimits())
    assert isinstance(error, NoBuildpack)
    assert "requirements.txt" in str(error)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0K"), (1, "1K"), (66 * 1024, "66K"), (8_703_181, "8.3M"), (3 << 30, "3.0G")]
)
def test_sizes_as_heroku_prints_them(count: int, text: str) -> None:
    assert size(count) == text
