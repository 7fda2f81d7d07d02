"""The box's own life: stop, start, reboot, death. Last by name: these end every service of the platform."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hostd.box import mounts, processes
from hostd.box.cgroups import Groups

PAGE = {"Procfile": "web: python3 -m http.server $PORT\n", "requirements.txt": "", "index.html": "still here\n"}


@pytest.fixture
def live_app(app: str, repository: Callable[..., Path], push: Callable[..., object]) -> str:
    """An app that answers."""
    push(repository(PAGE), app)
    return app


def test_a_stopped_box_leaves_nothing_and_comes_back_as_it_was(platform, hostctl, live_app, http_get, wait_until):
    machine = platform.machine
    assert machine.stop()
    assert not [path for path in mounts.mount_points() if machine.directory in path.parents]
    assert not list(Path("/sys/fs/cgroup").glob(f"*/hostd-box-{machine.name}"))
    assert f"table inet {machine.network}\n" not in _output("nft", "list", "tables")
    assert f"{machine.network}-" not in _output("ip", "-oneline", "link")
    assert not Path("/run/hostd-box/.forwarding", machine.name).exists()
    refused = hostctl("apps", check=False)
    assert refused.returncode == 1
    assert "hostctl box start" in refused.stderr
    assert machine.start()
    wait_until(lambda: http_get(live_app).text == "still here\n", 30)


def test_a_box_that_reboots_itself_comes_back_with_its_limits(platform, box, live_app, http_get, wait_until):
    before = platform.machine.leader()
    box.run(["systemctl", "reboot"], check=False)
    wait_until(lambda: platform.machine.leader() not in (None, before), 60, what="a new PID 1")
    wait_until(lambda: http_get(live_app).text == "still here\n", 60)
    fill = ["systemd-run", "--wait", "--quiet", "-p", "MemoryMax=64M", "python3", "-c", "bytearray(200 * 2**20)"]
    assert box.run(fill, check=False).returncode != 0


def test_a_killed_box_starts_again(platform, live_app, http_get, wait_until):
    machine = platform.machine
    running = processes.find(machine.root)
    for pid in (running.keeper, running.nspawn):
        assert pid is not None
        assert processes.kill_and_wait(pid)
    assert machine.leader() is None
    # Its first process survives its nspawn; the next start must not run a second systemd beside it.
    assert machine.start()
    first_processes = [pid for pid in Groups(machine.name).processes() if _pid_inside(pid) == 1]
    assert first_processes == [machine.leader()]
    wait_until(lambda: http_get(live_app).text == "still here\n", 30)


def test_starting_what_runs_changes_nothing(platform):
    leader = platform.machine.leader()
    assert not platform.machine.start()
    assert platform.machine.leader() == leader


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def _pid_inside(pid: int) -> int | None:
    """The pid of a process in its own pid namespace (proc(5), NSpid); None for the machine's own and for ended ones."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    numbers = line.split()[1:]
    return int(numbers[-1]) if len(numbers) > 1 else None
