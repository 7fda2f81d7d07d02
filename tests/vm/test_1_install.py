"""A fresh server, install.sh, and a server that runs the example app."""

from __future__ import annotations

import json

from tests.support.platform import Platform
from tests.support.server import Server
from tests.vm.conftest import Installed

WANTED = {"cpu", "io", "memory", "pids"}


def test_it_ends_with_an_app_that_answers(installed: Installed) -> None:
    assert "git push ssh://git@localhost/hello.git main" in installed.said
    assert "=====> hostd is installed" in installed.said
    assert installed.server.http_get("hello").status == 200


def test_this_is_a_server_with_control_groups_of_version_2(platform: Platform) -> None:
    assert platform.run(["cat", "/proc/1/comm"]).stdout == "systemd\n"
    assert set(platform.run(["cat", "/sys/fs/cgroup/cgroup.controllers"]).stdout.split()) >= WANTED


def test_nothing_has_failed(platform: Platform) -> None:
    assert platform.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"
    assert "degraded" not in platform.hostctl("status").stdout


def test_the_pool_is_where_the_disk_has_it(platform: Platform) -> None:
    root = platform.run(["stat", "--file-system", "--format=%T", "/"]).stdout.strip()
    pool = json.loads(platform.run(["findmnt", "--json", "--target", "/var/lib/hostd/pool"]).stdout)["filesystems"][0]
    assert pool["fstype"] == "btrfs"
    assert pool["target"] == ("/" if root == "btrfs" else "/var/lib/hostd/pool")


def test_the_servers_own_ssh_server_serves_git_too(platform: Platform) -> None:
    assert platform.run(["systemctl", "is-active", "hostd-sshd.service"], check=False).stdout == "inactive\n"
    assert "hello" in platform.ssh("apps", "--all").stdout


def test_installing_again_changes_nothing(platform: Server) -> None:
    before = running(platform)
    assert "hello" in " ".join(before)
    platform.install("--yes")
    assert running(platform) == before
    assert json.loads(platform.hostctl("releases", "-a", "hello", "--json").stdout)[0]["version"] == 2


def running(platform: Platform) -> dict[str, str]:
    """Every service of ours that runs, and which of its runs it is."""
    shown = platform.run(["systemctl", "show", "--property=Id,InvocationID", "hostd*.service"]).stdout
    units = [dict(line.split("=", 1) for line in unit.splitlines()) for unit in shown.split("\n\n") if unit.strip()]
    return {unit["Id"]: unit["InvocationID"] for unit in units}
