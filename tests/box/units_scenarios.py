"""What the box tests of units/ do inside the box: one scenario a run, its findings as JSON on stdout.

Runs as root with the box's own Python: ``python units_scenarios.py NAME``.
"""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from units.cgroups import Cgroups
from units.journal import Reader, Writer
from units.leftovers import Leftovers, left
from units.sandbox import Bind, Limits, hardened
from units.systemd import ANY_UNIT, Systemd, UnitExists, UnitFailed, UnitInfo
from units.users import ensure_user, remove_user

UID = 299_001
MEGABYTE = 1024 * 1024
LIMITS = Limits(memory_max=256 * MEGABYTE, cpu_weight=100, tasks_max=64)


class Kit:
    """A root to run in, a user to run as, and unit names that nobody else has."""

    def __init__(self, folder: Path) -> None:
        self.systemd = Systemd()
        self.root = folder / "root"
        self.app = folder / "app"
        self.prefix = f"hostd-test-{uuid.uuid4().hex[:8]}"

    def make(self) -> None:
        for name in ("usr", "etc/ssl", "app", "tmp", "var/tmp", "proc", "dev", "sys", "run"):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")
        self.app.mkdir()
        os.chown(self.app, UID, UID)

    def unit(self, name: str) -> str:
        return f"{self.prefix}-{name}.service"

    def properties(self, *command: str, **changes: Any) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "root": self.root,
            "uid": UID,
            "gid": UID,
            "binds": [
                Bind(Path("/usr"), Path("/usr")),
                Bind(Path("/etc/ssl"), Path("/etc/ssl")),
                Bind(self.app, Path("/app"), writable=True),
            ],
            "limits": LIMITS,
            "slice_name": "hostd-test.slice",
            "description": "a test",
            "command": command or ("/bin/sleep", "600"),
            "environment_file": None,
            "log_namespace": "hostd",
            "stop_timeout": 1.0,
        }
        return hardened(**{**settings, **changes})

    async def output(self, *command: str, **changes: Any) -> str:
        """What a command writes inside the sandbox, through descriptors handed to systemd."""
        name = self.unit("output")
        read_end, write_end = os.pipe()
        with Path(os.devnull).open() as nothing:
            stdio = (nothing.fileno(), write_end, write_end)
            await self.systemd.start(name, self.properties(*command, stdio=stdio, **changes))
        os.close(write_end)
        info = await self.ended(name)
        text = os.read(read_end, 65536).decode()
        os.close(read_end)
        self.systemd.unref(name)
        return text if info.result == "success" else f"{info.result} {info.exec_main_status}: {text}"

    async def ended(self, name: str, seconds: float = 20.0) -> UnitInfo:
        """The unit's state once its main process has ended, noticed by signals only."""
        changed = asyncio.Event()
        self.systemd.subscribe(lambda unit: changed.set() if unit in (name, ANY_UNIT) else None)
        async with asyncio.timeout(seconds):
            while True:
                changed.clear()
                info = self.systemd.info(name)
                assert info is not None, f"{name} is not loaded"
                if info.exec_main_code and info.active != "deactivating":
                    return info
                await changed.wait()


@contextlib.asynccontextmanager
async def kit() -> AsyncIterator[Kit]:
    await ensure_user(UID)
    with tempfile.TemporaryDirectory(dir="/var/lib") as folder:
        Path(folder).chmod(0o755)
        made = Kit(Path(folder))
        made.make()
        try:
            yield made
        finally:
            for unit in made.systemd.list_units([f"{made.prefix}-*"]):
                await made.systemd.stop(unit.name)
                made.systemd.unref(unit.name)
            made.systemd.close()
    await remove_user(UID)


async def exposure() -> Any:
    async with kit() as k:
        await k.systemd.start(k.unit("e"), k.properties())
        show = ["systemctl", "show", k.unit("e")]
        fresh, before = exposure_of(k.unit("e")), subprocess.check_output(show, text=True).splitlines()
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        after = subprocess.check_output(show, text=True).splitlines()
        changing = ("CPUUsageNSec=", "Memory", "Tasks", "ExecStart", "After=", "Requires")
        forgotten = [line for line in set(before) - set(after) if not line.startswith(changing)]
        return {"fresh": fresh, "reloaded": exposure_of(k.unit("e")), "forgotten": sorted(forgotten)}


async def leftovers() -> Any:
    async with kit() as k:
        pattern = f"{k.prefix}-*.service"
        for name in ("runs", "ended"):
            await k.systemd.start(k.unit(name), k.properties(log_fields={"HOSTD_APP": "x"}))
        await k.systemd.stop(k.unit("ended"))
        k.systemd.unref(k.unit("ended"))
        sweeper = Leftovers(pattern)
        sweeper.sweep()
        sweeper.sweep()
        return [path.name.removeprefix(f"log-extra-fields:{k.prefix}-") for path in left(pattern)]


def exposure_of(unit: str) -> float:
    report = subprocess.check_output(["systemd-analyze", "security", "--no-pager", unit], text=True)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)
    assert found, report
    return float(found[1])


INSIDE = r"""
echo "uid=$(id -u):$(id -g)"
echo "cwd=$PWD"
echo "caps=$(sed -n 's/^CapBnd:\t0*\(.\)/\1/p' /proc/self/status)"
echo "nnp=$(sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
echo "seccomp=$(sed -n 's/^Seccomp:\t//p' /proc/self/status)"
echo "others=$(ls /proc | grep -c '^1$')"
echo "shm=$(ls -A /dev/shm | wc -l)"
echo "tmp=$(ls -A /tmp | wc -l)"
echo "disks=$(ls /dev | grep -c -E '^(vd|sd|loop|kvm|kmsg)')"
echo "expanded=$1"
touch /app/ours && echo "app=writable"
for place in / /usr /etc /proc/sys/kernel /sys/kernel; do
    touch "$place/x" 2>/dev/null && echo "wrote=$place"
done
unshare --user true 2>/dev/null && echo "namespace=made"
mount -t tmpfs none /app 2>/dev/null && echo "mount=made"
kill -0 1 2>/dev/null && echo "signal=allowed"
ls /var/lib /root /home /run/systemd/private /etc/shadow 2>/dev/null
true
"""


async def inside() -> Any:
    async with kit() as k:
        marker = Path("/dev/shm/of-the-host")
        marker.touch()
        text = await k.output("/bin/bash", "-c", INSIDE, "bash", "$HOME ${PATH} %n")
        marker.unlink()
        return {"lines": text.splitlines()}


async def ends() -> Any:
    """How units end, and what is left of them."""
    async with kit() as k:
        found: dict[str, Any] = {}
        commands: dict[str, Sequence[str]] = {
            "well": ["/bin/true"],
            "badly": ["/bin/bash", "-c", "exit 7"],
            "killed": ["/bin/bash", "-c", "kill -9 $$"],
            "memory": ["/usr/bin/python3", "-c", "bytearray(600 * 1024 * 1024)"],
        }
        for name, command in commands.items():
            await k.systemd.start(k.unit(name), k.properties(*command))
            info = await k.ended(k.unit(name))
            found[name] = [info.active, info.sub, info.result, info.exec_main_status]
        for name in commands:
            k.systemd.unref(k.unit(name))
            await k.systemd.start(k.unit(name), k.properties())
        found["started again at once"] = sum(u.sub == "running" for u in k.systemd.list_units([f"{k.prefix}-*"]))
        crowd = [k.unit(f"brief-{number}") for number in range(30)]
        await asyncio.gather(*(k.systemd.start(unit, k.properties("/bin/false")) for unit in crowd))
        ends = [await k.ended(unit) for unit in crowd]
        found["too brief to be seen running"] = sum(info.exec_main_status == 1 for info in ends)
        for name, properties in {
            "no program": k.properties("/bin/nonexistent"),
            "no root": k.properties(root=Path("/nonexistent")),
        }.items():
            try:
                await k.systemd.start(k.unit("failing"), properties)
            except UnitFailed as error:
                found[name] = [error.result, error.status]
            k.systemd.unref(k.unit("failing"))
        return found


async def again() -> Any:
    """Units let go of and started anew before systemd has come to the job that ends them."""
    async with kit() as k:
        started = 0
        with ahead_of_systemd():
            for _ in range(10):
                await k.systemd.start(k.unit("again"), k.properties("/bin/true"))
                started += (await k.ended(k.unit("again"))).sub == "exited"
                k.systemd.unref(k.unit("again"))
        return {"started": started}


@contextlib.contextmanager
def ahead_of_systemd() -> Iterator[None]:
    """This process shares PID 1's processor and goes first, so that its next message is there before PID 1 is idle."""
    usual = os.sched_getaffinity(1)
    shared = {min(usual)}
    os.sched_setaffinity(1, shared)
    os.sched_setaffinity(0, shared)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:  # a kernel that keeps real time from control groups
        os.nice(-20)
    try:
        yield
    finally:
        os.sched_setaffinity(1, usual)


async def stops() -> Any:
    async with kit() as k:
        found: dict[str, Any] = {"unknown": await k.systemd.stop(k.unit("unknown"))}
        wait = "while :; do read -t 1 <> <(:); done"
        for name, script in {
            "by the signal": "exec sleep 600",
            "with a status": f"trap 'exit 7' TERM; echo ready > /app/$0; {wait}",
            "not at all": f"trap '' TERM; echo ready > /app/$0; {wait}",
        }.items():
            unit = k.unit(name.replace(" ", "-"))
            await k.systemd.start(unit, k.properties("/bin/bash", "-c", script, unit))
            async with asyncio.timeout(10):
                while "echo ready" in script and not (k.app / unit).exists():
                    await asyncio.sleep(0.02)
            info = await k.systemd.stop(unit)
            assert info is not None
            found[name] = [info.sub, info.result, info.exec_main_code, info.exec_main_status]
        await k.systemd.start(k.unit("left"), k.properties("/bin/bash", "-c", "sleep 600 & exit 0"))
        await k.ended(k.unit("left"))
        try:
            await k.systemd.start(k.unit("left"), k.properties())
        except UnitExists:
            found["exists"] = True
        await k.systemd.stop(k.unit("left"))
        found["loaded"] = k.systemd.info(k.unit("left"))
        return found


async def reexec() -> Any:
    """Units start, stop and are asked about while PID 1 executes itself anew, and survive a daemon-reload."""
    async with kit() as k:
        seen: list[str] = []
        k.systemd.subscribe(seen.append)
        units = [k.unit(str(number)) for number in range(8)]
        with subprocess.Popen(["systemctl", "daemon-reexec"]):
            await asyncio.gather(*(k.systemd.start(unit, k.properties()) for unit in units))
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        loaded = [[unit.load, unit.sub] for unit in k.systemd.list_units([f"{k.prefix}-*"])]
        told = ANY_UNIT in seen
        asked = 0
        for _ in range(3):
            with subprocess.Popen(["systemctl", "daemon-reexec"]) as reexecuting:
                while reexecuting.poll() is None:
                    # For a tenth of a second and more it does not listen.
                    newcomer = Systemd()
                    asked += newcomer.info(units[0]) is not None
                    newcomer.close()
        with subprocess.Popen(["systemctl", "daemon-reexec"]):
            await asyncio.gather(*(k.systemd.stop(unit) for unit in units))
        return {
            "loaded": loaded,
            "asked": asked >= 3,
            "left": len(k.systemd.list_units([f"{k.prefix}-*"])),
            "told": told,
        }


async def logs() -> Any:
    async with kit() as k:
        app = str(uuid.uuid4())
        fields = {"HOSTD_APP": app, "HOSTD_PROCESS": "web.1"}
        script = "echo one; echo two >&2; printf 'a%.0s' {1..20000}; echo"
        await k.systemd.start(k.unit("logs"), k.properties("/bin/bash", "-c", script, log_fields=fields))
        await k.ended(k.unit("logs"))
        reader = Reader("hostd", fields=["HOSTD_PROCESS"], matches={"HOSTD_APP": app})
        writer = Writer("hostd")
        writer.send("two\nlines", HOSTD_APP=app, HOSTD_PROCESS="api")
        writer.send(b"x" * (3 * MEGABYTE), HOSTD_APP=app, HOSTD_PROCESS="api")
        writer.send(b"\xff raw", HOSTD_APP=app, HOSTD_PROCESS="api")
        reader.seek_head()
        entries = []
        async with asyncio.timeout(10):
            async for batch in reader.follow():
                entries += batch
                if len(entries) == 6:
                    break
        resumed = Reader("hostd", matches={"HOSTD_APP": app})
        exact = resumed.seek_after(entries[3].cursor)
        subprocess.run(["systemctl", "restart", "systemd-journald@hostd.service"], check=True)
        writer.send("after", HOSTD_APP=app)
        rest: list[str] = []
        async with asyncio.timeout(10):
            async for batch in resumed.follow():
                rest += [entry.message[:5].decode("latin-1") for entry in batch]
                if "after" in rest:
                    break
        return {
            "entries": [
                [entry.fields["HOSTD_PROCESS"], len(entry.message), entry.message[:9].decode("latin-1")]
                for entry in entries
            ],
            "exact": exact,
            "rest": rest,
            "last": [entry.message.decode() for entry in resumed.last(1)],
        }


BOMB = """
import os, pathlib, time
try:
    while os.fork():
        pass
except BlockingIOError:
    pathlib.Path("/app/full").touch()
time.sleep(600)
"""


async def limits() -> Any:
    async with kit() as k:
        unit = k.unit("bomb")
        await k.systemd.start(unit, k.properties("/usr/bin/python3", "-c", BOMB))
        async with asyncio.timeout(20):
            while not (k.app / "full").exists():
                await asyncio.sleep(0.02)
        cgroups = Cgroups()
        info = k.systemd.info(unit)
        assert info is not None
        usage = cgroups.usage(info.control_group)
        assert usage is not None
        tasks = len(cgroups.threads(info.control_group))
        k.systemd.set_properties(unit, {"TasksMax": 70})
        await k.systemd.stop(unit)
        return {
            "tasks": tasks,
            "memory": usage.rss,
            "cpu": usage.cpu_seconds,
            "gone": cgroups.usage(info.control_group),
        }


SCENARIOS = {run.__name__: run for run in (exposure, inside, leftovers, ends, again, stops, reexec, logs, limits)}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(SCENARIOS[sys.argv[1]]())))
