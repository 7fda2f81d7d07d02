"""What dyno_start.py runs where the platform's systemd is: `starts.py ROUNDS STEP_ROUNDS`, in a network and mount
namespace of its own. Prints JSON: what could not be compared, seconds of each start, and of each step of the sandbox.

The program is the same everywhere: bash, which writes the time to its standard error. A start is from the order to
that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import random
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from hostd import sizes
from hostd.manager.dyno import FIRST_ONE_OFF, DynoId, Place
from hostd.manager.environment import COMMAND as TO_LAUNCH
from hostd.manager.environment import EnvironmentFiles, environment
from hostd.manager.launcher import Launch, unit_properties
from hostd.settings import load
from slugs.pool import Pool
from slugs.stacks import drop_identity, ensure_host_stack, identity_binds, resolving_binds, scratch_binds
from units.network import Network, Networks
from units.properties import AND_SYSTEM_CALLS, EXCEPT_SYSTEM_CALLS
from units.sandbox import Bind
from units.systemd import Systemd
from units.users import ensure_user, remove_user

PROGRAM = "{ echo $EPOCHREALTIME; times; } >&2"
COMMAND = ["/bin/bash", "-c", PROGRAM]
SAID = re.compile(rb"^(\d+\.\d{6})\n(.+)\n(.+)\n", re.MULTILINE)
SECONDS = 30
UID = 199999
NAME = "hostd-benchmark-start"
PODMAN = ["podman", "runc", "netavark", "iptables"]

BARE = ("Type", "ExecStart", "CollectMode", "Slice", "RemainAfterExit")
STEPS: dict[str, tuple[str, ...]] = {
    "root, /usr, /app and other binds": (
        *("RootDirectory", "MountAPIVFS", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "WorkingDirectory"),
    ),
    "ProtectSystem, ProtectHome": ("ProtectSystem", "ProtectHome", "ReadWritePaths"),
    "PrivateTmp": ("PrivateTmp",),
    "PrivateDevices": ("PrivateDevices",),
    "ProtectProc": ("ProtectProc", "ProcSubset"),
    "ProtectControlGroups": ("ProtectControlGroups",),
    "ProtectKernelTunables": ("ProtectKernelTunables",),
    "ProtectKernelLogs, -Modules, -Clock, -Hostname": (
        *("ProtectKernelLogs", "ProtectKernelModules", "ProtectClock", "ProtectHostname"),
    ),
    "PrivateIPC": ("PrivateIPC",),
    "the network, two mounts over /sys": ("NetworkNamespacePath", "InaccessiblePaths"),
    "PrivateUsers, the uid, no capabilities": (
        *("User", "Group", "PrivateUsers", "CapabilityBoundingSet", "NoNewPrivileges", "KeyringMode", "RemoveIPC"),
    ),
    "filters of system calls": (
        *("SystemCallFilter", EXCEPT_SYSTEM_CALLS, AND_SYSTEM_CALLS, "SystemCallErrorNumber"),
        *("SystemCallArchitectures", "RestrictAddressFamilies"),
        *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality"),
    ),
}
"""Added to a bare unit one after the other; before them comes what no step names, after them the launch script."""

Begin = Callable[[int], Awaitable[None]]


class Dynos:
    """Makes what dynos of a benchmark need, beside those of the installation."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.systemd = Systemd()
        self.pool = pool
        self.stack = ensure_host_stack(pool)
        self.environment_files = EnvironmentFiles(folder / "env")
        self.networks = Networks(name="bench", prefix=IPv4Network("10.83.0.0/16"), run_dir=folder)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """A slug to start and the rules of networks, for as long as the block lasts."""
        self.systemd.attach(asyncio.get_running_loop())
        await ensure_user(UID)
        self.pool.create_build(NAME, UID)
        self.pool.freeze(NAME, NAME)
        await self.networks.start()
        try:
            yield
        finally:
            await self.systemd.stop(f"{NAME}.service")
            self.systemd.unref(f"{NAME}.service")
            await self.networks.close()
            self.pool.delete_dyno(NAME)
            self.pool.delete_slug(NAME)
            drop_identity(self.stack, UID)
            await remove_user(UID)

    def properties(self, network: Network) -> dict[str, Any]:
        """The unit of a dyno with files of its own, as `hostd.manager.launcher` makes them."""
        dyno = DynoId("benchmark", "run", FIRST_ONE_OFF, 1, Place(network.address, 5000), sizes.DEFAULT)
        tree = self.pool.snapshot(NAME, NAME)
        launch = Launch(dyno, "benchmark", UID, NAME, self.stack.ref, PROGRAM, sizes.DEFAULT, config={}, extra={})
        variables = environment(dyno, {}, memory=sizes.get(sizes.DEFAULT).memory)
        properties = unit_properties(
            launch,
            root=self.stack.root,
            network=network,
            binds=[
                *resolving_binds(self.stack.binds, network),
                *identity_binds(self.stack, UID),
                Bind(tree, Path("/app"), writable=True),
                *scratch_binds(self.pool.scratch(NAME)),
            ],
            environment_file=self.environment_files.write(NAME, {**variables, TO_LAUNCH: PROGRAM}),
        )
        # One that is there already, as an app's is but for its first dyno.
        return {**properties, "Slice": "hostd-apps.slice"}

    async def start_dyno(self, output: int) -> None:
        """All that hostd does to start one: network, snapshot, environment file, unit."""
        network = await self.networks.lease(NAME)
        await self.start(self.properties(network), output)

    async def start(self, properties: dict[str, Any], output: int) -> None:
        """Start a unit whose standard error is `output`."""
        without = {key: value for key, value in properties.items() if key != "StandardError"}
        await self.systemd.start(f"{NAME}.service", {**without, "StandardErrorFileDescriptor": output})

    async def end(self) -> None:
        """Take unit and network away."""
        await self.systemd.stop(f"{NAME}.service")
        self.systemd.unref(f"{NAME}.service")
        await self.networks.release(NAME)


async def seconds(begin: Begin) -> tuple[float, float]:
    """From the order to start the program until it wrote the time; and the processor time that it had used by then.

    That is the time of its process from its first moment on, also of what systemd does in it, and of its children.
    """
    reading, writing = os.pipe()
    try:
        began = time.time()
        await begin(writing)
        at, used = await asyncio.to_thread(said, reading)
        return at - began, used
    finally:
        os.close(reading)
        os.close(writing)


def said(reading: int) -> tuple[float, float]:
    text = b""
    while not (found := SAID.search(text)):
        if not select.select([reading], [], [], SECONDS)[0]:
            raise SystemExit(f"the program did not start within {SECONDS} s: {text!r}")
        text += os.read(reading, 4096)
    # As bash tells it (bash(1), times): 0m0.001s 0m0.002s
    minutes = re.findall(rb"(\d+)m([\d.]+)s", found[2] + found[3])
    return float(found[1]), sum(60 * int(whole) + float(rest) for whole, rest in minutes)


async def command_seconds(argv: list[str]) -> float:
    """The same of a program that is started by a command, which is left to end."""
    running: list[subprocess.Popen[bytes]] = []

    async def begin(output: int) -> None:
        running.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output))

    taken, _ = await seconds(begin)
    if await asyncio.to_thread(running[0].wait):
        raise SystemExit(f"{argv[0]} ended with {running[0].returncode}")
    return taken


def podman_image(folder: Path) -> list[str]:
    """The command that runs a container of an image of bash and its libraries alone; the storage is in memory."""
    podman = ["podman", f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}", "--storage-driver=overlay"]
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        # In a box one is not writable: crun, Podman's own choice, insists on it, runc does not.
        podman.append("--runtime=runc")
        subprocess.run(["umount", "/sys/fs/cgroup/cpuset"], check=True)
    libraries = subprocess.run(["ldd", "/bin/bash"], check=True, capture_output=True, text=True).stdout
    with tarfile.open(folder / "image.tar", "w", dereference=True) as image:
        for path in ["/bin/bash", *re.findall(r"/\S+", libraries)]:
            image.add(path)
    subprocess.run([*podman, "import", folder / "image.tar", NAME], check=True, capture_output=True)
    return [*podman, "run", "--rm", f"localhost/{NAME}"]


async def compare(dynos: Dynos, podman: list[str] | None, rounds: int) -> dict[str, list[float]]:
    """The program bare, by systemd-run, as a dyno and by podman, in turn."""

    async def dyno() -> float:
        taken, _ = await seconds(dynos.start_dyno)
        await dynos.end()
        return taken

    # What stands for itself in a shell is a variable to systemd.
    systemd_run = ["systemd-run", "--quiet", "--collect", "--pipe", *COMMAND[:-1], PROGRAM.replace("$", "$$")]
    ways: dict[str, Callable[[], Awaitable[float]]] = {
        "bare": lambda: command_seconds(COMMAND),
        "systemd-run": lambda: command_seconds(systemd_run),
        "dyno": dyno,
    }
    if podman is not None:
        ways["podman"] = lambda: command_seconds([*podman, *COMMAND])
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in random.sample(list(ways), len(ways)):
            value = await ways[name]()
            if number:
                taken[name].append(value)
    return taken


def ladder(whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A bare unit, and with one step more at a time the unit of a dyno."""
    named = {key for keys in STEPS.values() for key in keys}
    script, command = whole["ExecStart"], [(COMMAND[0], [*COMMAND[:-1], PROGRAM.replace("$", "$$")], False)]
    have = {key: value for key, value in whole.items() if key in BARE} | {"ExecStart": command}
    units = {"a bare unit": dict(have)}
    have |= {key: value for key, value in whole.items() if key not in named and key != "ExecStart"}
    units["limits, journal, environment file"] = dict(have)
    for name, keys in STEPS.items():
        have |= {key: whole[key] for key in keys}
        if "NetworkNamespacePath" not in have:
            have["TemporaryFileSystem"] = whole["TemporaryFileSystem"][:1]
        else:
            have["TemporaryFileSystem"] = whole["TemporaryFileSystem"]
        units[name] = dict(have)
    units["the script that launches the program"] = whole | {"ExecStart": script}
    return units


async def climb(dynos: Dynos, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and processor seconds (the unit's and those of PID 1) of a start at each step, in random order."""
    network = await dynos.networks.lease("steps")
    units = ladder(dynos.properties(network))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in units}
    for number in range(rounds + 1):
        for name in random.sample(list(units), len(units)):
            manager = manager_seconds()
            wall, used = await seconds(functools.partial(dynos.start, units[name]))
            manager = manager_seconds() - manager
            await dynos.end()
            if number:
                taken[name].append((wall, used + manager))
    await dynos.networks.release("steps")
    return taken


def manager_seconds() -> float:
    """Processor time of PID 1."""
    return int(Path("/proc/1/schedstat").read_text().split()[0]) / 1e9


async def main(rounds: int, step_rounds: int) -> None:
    missing = [name for name in PODMAN if not (shutil.which(name) or Path(f"/usr/lib/podman/{name}").exists())]
    folder = Path(tempfile.mkdtemp(prefix=NAME, dir="/run"))
    try:
        podman = None if missing else podman_image(folder)
        dynos = Dynos(Pool(load().pool_dir), folder)
        async with dynos.open():
            starts = await compare(dynos, podman, rounds)
            steps = await climb(dynos, step_rounds)
        print(json.dumps({"missing": missing, "podman": podman, "starts": starts, "steps": steps}))
    finally:
        subprocess.run(["umount", "--all-targets", "--recursive", "--quiet", folder / "storage/overlay"], check=False)
        shutil.rmtree(folder)


asyncio.run(main(*map(int, sys.argv[1:])))
