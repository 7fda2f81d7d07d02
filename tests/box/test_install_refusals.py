"""install.sh refuses what cannot work, says why, and changes nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PORTS = ("--http-port", "9880", "--https-port", "9843", "--ssh-port", "9822", "--api-port", "9870")
Install = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Runs install.sh for a box that must not come to be."""
    name = f"never-{uuid.uuid4().hex[:8]}"

    def run(
        *options: str, wrapper: tuple[str, ...] = (), ports: tuple[str, ...] = PORTS
    ) -> subprocess.CompletedProcess[str]:
        argv = [*wrapper, str(PROJECT / "install.sh"), "--yes", "--no-demo", "--box-name", name, *ports, *options]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
        return subprocess.run(
            argv, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=120, check=False
        )

    yield run
    assert not Path("/var/lib/hostd-box", name).exists()


def in_changed_machine(*mounts: tuple[Path, str]) -> tuple[str, ...]:
    """Words that run a command where files of the machine are replaced, for that command only."""
    script = "".join(f"mount --bind {file} {place}\n" for file, place in mounts) + 'exec "$@"'
    return ("unshare", "--mount", "sh", "-ec", script, "sh")


def test_help_names_every_option():
    done = subprocess.run([PROJECT / "install.sh", "--help"], capture_output=True, text=True, check=True, timeout=30)
    for option in (
        "--domain", "--http-port", "--https-port", "--ssh-port", "--api-port",
        "--rendezvous-port", "--data-dir", "--pool-size", "--no-demo",
        "--yes", "--compile", "--no-compile", "--uninstall", "--data", "--help",
    ):  # fmt: skip
        assert option in done.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--nonsense"], "there is no option --nonsense"),
        (["--domain"], "--domain needs a value"),
        (["--http-port", "http"], "--http-port must be a port, not http"),
        (["--api-port", "-1"], "--api-port must be a port, or 0 for none, not -1"),
        (["--pool-size", "big"], "--pool-size must be a size such as 20G"),
        (["--pool-size", "900T"], "--pool-size 900T is more than the"),
        (["--data-dir", "here"], "--data-dir must be an absolute path"),
        (["--data"], "--data goes with --uninstall only"),
        (["--ssh-port", "9880"], "--ssh-port, --api-port and --rendezvous-port are 9880"),
        (["--uninstall"], "there is no box at"),
    ],
)
def test_options_that_cannot_be(install, options, reason):
    done = install(*options)
    assert done.returncode == 2
    assert reason in done.stderr


def test_not_root(install):
    done = install(wrapper=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
    assert done.returncode == 2
    assert "must be installed as root" in done.stderr


def test_a_taken_port_names_its_holder(install):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        done = install(ports=("--http-port", port, *PORTS[2:]))
    assert done.returncode == 2
    assert f"port {port} is taken by" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert "--http-port" in done.stderr


def test_a_system_that_is_not_supported(install, tmp_path):
    other = tmp_path / "os-release"
    other.write_text('ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n')
    done = install(wrapper=in_changed_machine((other, "/etc/os-release")))
    assert done.returncode == 2
    assert "this is Fedora Linux 41" in done.stderr


def test_a_kernel_without_btrfs(install, tmp_path):
    filesystems = tmp_path / "filesystems"
    filesystems.write_text("nodev\tproc\n\text4\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "modprobe").write_text("#!/bin/sh\nexit 1\n")
    (tools / "modprobe").chmod(0o755)
    wrapper = ("env", f"PATH={tools}:{os.environ['PATH']}", *in_changed_machine((filesystems, "/proc/filesystems")))
    done = install(wrapper=wrapper)
    assert done.returncode == 2
    assert "no btrfs" in done.stderr


def test_too_little_disk(install, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=64M small {small} && exec "$@"'
    done = install("--data-dir", str(small / "box"), wrapper=("unshare", "--mount", "sh", "-ec", script, "sh"))
    assert done.returncode == 2
    assert "too little disk" in done.stderr
    assert "needs 6 GiB" in done.stderr


def test_no_way_to_pythons_packages(install):
    done = install(wrapper=("env", "PIP_INDEX_URL=http://127.0.0.1:9/simple"))
    assert done.returncode == 2
    assert "cannot reach http://127.0.0.1:9/simple, where Python's packages come from" in done.stderr
