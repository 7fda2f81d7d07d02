"""What goes into a Debian stack, what mmdebstrap is told, and what it said: all as values."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from slugs import stack_debian
from slugs.errors import NoSuchStack
from slugs.stack_maker import Progress, unit_properties
from slugs.stack_root import Stack
from units.sandbox import Bind

TODAY = date(2026, 11, 21)
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_versions_are_the_day_and_a_number() -> None:
    assert stack_debian.next_version(TODAY, []) == "20261121.1"
    assert stack_debian.next_version(TODAY, ["20261120.7"]) == "20261121.1"
    assert stack_debian.next_version(TODAY, ["20261121.1", "20261121.9", "20261121.10"]) == "20261121.11"


def test_only_releases_that_are_known_can_be_made() -> None:
    assert stack_debian.codename("debian-13") == "trixie"
    for name in ("debian-99", "debian-12 ", "../etc", "", "host", "debian-12@20261121.1"):
        with pytest.raises(NoSuchStack, match="It can make: debian-12, debian-13"):
            stack_debian.codename(name)


def test_mirrors_are_those_of_the_server() -> None:
    targets = (
        "http://mirror.example.com/debian/ bookworm main\n"
        "http://mirror.example.com/debian/ bookworm contrib\n"
        "http://mirror.example.com/debian/ bookworm-updates main\n"
        "http://security.example.com/debian-security/ bookworm-security main\n"
        "https://packages.example.com/apt bookworm extra\n"
    )
    assert stack_debian.sources(targets, "bookworm", "trixie") == [
        f"deb [signed-by={KEYRING}] http://mirror.example.com/debian trixie main",
        f"deb [signed-by={KEYRING}] http://mirror.example.com/debian trixie-updates main",
        f"deb [signed-by={KEYRING}] http://security.example.com/debian-security trixie-security main",
    ]


def test_a_server_that_is_not_debian_uses_the_mirrors_for_all() -> None:
    lines = stack_debian.sources("http://archive.ubuntu.com/ubuntu/ noble main\n", "", "bookworm")
    assert [line.split("] ")[1] for line in lines] == [
        "http://deb.debian.org/debian bookworm main",
        "http://deb.debian.org/debian bookworm-updates main",
        "http://security.debian.org/debian-security bookworm-security main",
    ]


def test_the_codename_is_read_from_a_debians_os_release() -> None:
    assert stack_debian.own_codename('ID=debian\nVERSION_CODENAME=bookworm\nVERSION_ID="12"\n') == "bookworm"
    assert stack_debian.own_codename("ID=arch\n") == ""
    assert stack_debian.own_codename("ID=ubuntu\nVERSION_CODENAME=noble\n") == ""


def test_apt_is_told_of_proxies_and_dates_and_of_nothing_that_weakens_it() -> None:
    dump = (
        'Acquire::http::Proxy "http://proxy.example.com:3142";\n'
        'Acquire::http::Proxy::internal.example.com "DIRECT";\n'
        'Acquire::https::CaInfo "/etc/ssl/own.pem";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::AllowInsecureRepositories "1";\n'
        'Acquire::https::Verify-Peer "false";\n'
        'APT::Get::AllowUnauthenticated "1";\n'
        'DPkg::Post-Invoke:: "rm -rf /";\n'
    )
    inherited = stack_debian.apt_options(dump).splitlines()[4:]
    assert inherited == dump.splitlines()[:4]


def test_mmdebstrap_is_told_by_an_argument_list_without_addresses() -> None:
    argv = stack_debian.arguments(
        "debian-12", target=Path("/mnt"), sources_list=Path("/s/sources.list"), apt_conf=Path("/s/apt.conf")
    )
    assert argv[0] == "/usr/bin/mmdebstrap"
    assert argv[-3:] == ["bookworm", "/mnt", "/s/sources.list"]
    assert {"--aptopt=/s/apt.conf", "--skip=cleanup/apt/lists"} <= set(argv)
    assert not any("http" in argument for argument in argv)
    (include,) = [argument for argument in argv if argument.startswith("--include=")]
    assert {"git", "curl", "python3", "gcc", "g++", "make", "ca-certificates"} <= set(include[10:].split(","))


def test_nothing_of_the_daemons_environment_reaches_packages() -> None:
    argv = stack_debian.command(["/usr/bin/mmdebstrap", "bookworm"])
    assert argv[:2] == ["/usr/bin/env", "-i"] and argv[-2:] == ["/usr/bin/mmdebstrap", "bookworm"]


STATUS = """\
Package: openssl
Status: install ok installed
Version: 3.0.15-1
Description: tool
 Version: not this one

Package: removed
Status: deinstall ok config-files
Version: 1.0

Package: bash
Essential: yes
Status: install ok installed
Version: 5.2-2
"""


def test_installed_packages_are_read_from_dpkgs_status() -> None:
    assert stack_debian.installed(STATUS) == {"bash": "5.2-2", "openssl": "3.0.15-1"}


def test_the_digest_is_that_of_packages_and_versions() -> None:
    one = stack_debian.installed(STATUS)
    assert stack_debian.digest(one) == stack_debian.digest(dict(one))
    assert stack_debian.digest(one) != stack_debian.digest({**one, "bash": "5.2-3"})


def test_changes_name_what_is_different() -> None:
    before, after = {"bash": "1", "gone": "2", "same": "3"}, {"bash": "1.1", "new": "4", "same": "3"}
    assert stack_debian.changes(before, after) == ["bash 1 -> 1.1", "gone 2 -> (removed)", "new (new) -> 4"]


def test_a_mirror_that_does_not_answer_is_named() -> None:
    said = [
        "I: running apt-get update...",
        "E: Failed to fetch http://nowhere.example/dists/bookworm/InRelease  Could not resolve 'nowhere.example'",
        "E: Some index files failed to download.",
    ]
    reason = stack_debian.reason(said)
    assert "http://nowhere.example/dists/bookworm/InRelease: Could not resolve 'nowhere.example'" in reason
    assert "/etc/apt" in reason


def test_other_failures_say_what_mmdebstrap_said() -> None:
    assert "slug store was full" in stack_debian.reason(
        ["dpkg: error: No space left on device", "E: run_chroot failed"]
    )
    assert stack_debian.reason(["I: a", "E: no such suite"]) == "mmdebstrap failed: no such suite"
    assert stack_debian.reason(["perl: bad"]) == "mmdebstrap failed: perl: bad"
    assert stack_debian.reason([]) == "mmdebstrap failed: it said nothing"


def test_what_hostd_gives_to_dynos_is_of_this_hostd(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    host = Stack("host", tmp_path / "host", [], [], "debian-12", "Debian-12", "12.11")
    stack = stack_debian.stack("debian-13", "20261121.1", tmp_path / "stack", host, Path("/"))
    assert (stack.ref, stack.release, stack.title) == ("debian-13@20261121.1", "debian-13", "Debian-13")
    assert stack.binds == [
        Bind(tmp_path / "host/.hostd", Path("/.hostd")),
        Bind(tmp_path / "host/etc/hosts", Path("/etc/hosts")),
        Bind(tmp_path / "host/etc/hostname", Path("/etc/hostname")),
        Bind(Path("/etc/resolv.conf"), Path("/etc/resolv.conf")),
    ]


def test_the_unit_is_bounded_and_writes_to_the_tree_alone() -> None:
    tree = Bind(Path("/pool/builds/1"), Path("/mnt"), writable=True)
    unit = unit_properties(["/usr/bin/env", "a$b"], tree=tree, name="debian-12", stdio=(3, 4, 5))
    assert unit["ExecStart"] == [("/usr/bin/env", ["/usr/bin/env", "a$$b"], False)]
    assert (unit["ProtectSystem"], unit["ReadWritePaths"]) == ("strict", ["/mnt"])
    assert unit["BindPaths"] == [("/pool/builds/1", "/mnt", False, 0)]
    assert unit["StandardErrorFileDescriptor"] == unit["StandardOutputFileDescriptor"] == 4
    assert unit["MemoryMax"] and unit["TasksMax"] and unit["RuntimeMaxUSec"]
    net_admin, sys_module, sys_ptrace = 12, 16, 19
    assert not any(unit["CapabilityBoundingSet"] & 1 << number for number in (net_admin, sys_module, sys_ptrace))


async def test_progress_tells_steps_and_remembers_the_rest() -> None:
    heard: list[bytes] = []

    async def output(piece: bytes) -> None:
        heard.append(piece)

    progress = Progress(output)
    for piece in (b"I: extracting arch", b"ives...\nupdating\nE: bad", b" thing\nI: main() received signal PIPE\n"):
        await progress(piece)
    assert heard == [b"       extracting archives...\n"]
    assert progress.lines == ["I: extracting archives...", "updating", "E: bad thing", "I: main() received signal PIPE"]
