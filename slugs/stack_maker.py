"""Makes a Debian release into a stack: mmdebstrap in a unit of its own, and what it made into the pool.

It runs as root, because packages own files as they please; what it runs is signed by Debian. It sees nothing of the
server but its own folder that it could write to, and is bounded in time, memory, tasks and weight.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slugs import stack_debian
from slugs.build_unit import SLICE, BuildUnits, Output
from slugs.errors import BuildFailed, BuildTimeout, StackFailed
from slugs.pool import Pool
from slugs.space import DiskGuard
from slugs.stack_root import make_directory, replace
from units.run import CommandError, arun
from units.sandbox import Bind
from units.systemd import Systemd, UnitInfo

UNITS = "hostd-stack-*.service"
OURS = re.compile(r"hostd-stack-debian-[0-9]+\.service")
"""A unit that makes a stack. The dynos of an app that is called `stack` have a dot before their number."""

STACK_BYTES = 3 << 30
"""What must be free before a stack is made: it takes a third of that, and its packages come on top."""

_TARGET = Path("/mnt")
"""Where mmdebstrap sees the tree: apt's own user must be able to reach it."""
_SECONDS = 1800.0
_MEMORY = 2 << 30
_WEIGHT = 20
_TASKS = 1024
_STOP_SECONDS = 10.0
_KEPT_LINES = 40
_APT_SECONDS = 60.0
_MAX_BYTES = 8 << 30
_SYNC_SECONDS = 300.0
_NOISE = "I: main() received signal"
"""What mmdebstrap says of its own processes when it fails."""
_STATUS = Path("var/lib/dpkg/status")

_CAPABILITIES = {
    # linux/capability.h: what a package manager does to files, users and mounts; nothing about networks or modules.
    **{"CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6},
    **{"SETUID": 7, "SYS_CHROOT": 18, "SYS_ADMIN": 21, "MKNOD": 27, "SETFCAP": 31},
}


@dataclass(frozen=True)
class MadeStack:
    """A version of a stack that is in the pool now: what is installed in it, package to version."""

    ref: str
    packages: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The same for another version with the same packages."""
        return stack_debian.digest(self.packages)


class StackMaker:
    """Makes versions of stacks."""

    def __init__(self, *, systemd: Systemd, pool: Pool, guard: DiskGuard, host: Path = Path("/")) -> None:
        self._pool = pool
        self._guard = guard
        self._host = host
        self._units = BuildUnits(systemd)

    async def make(self, name: str, version: str, *, output: Output) -> MadeStack:
        """Make the stack NAME@VERSION; `output` hears what is being done, line by line.

        Raises NoSuchStack for a name that cannot be made, PoolFull, and StackFailed with the reason. Unless it
        returns, nothing is left: no unit, no files.
        """
        stack_debian.codename(name)
        await self._guard.require()
        ref, build_id = f"{name}@{version}", str(uuid.uuid4())
        try:
            tree = self._pool.create_build(build_id, 0)
            tree.chmod(0o755)
            scratch = self._pool.scratch(build_id)
            await self._guard.guard(self._fill(name, tree, scratch, output), [tree, scratch], _MAX_BYTES)
            _add_mount_points(tree, self._host)
            packages = read_packages(tree)
            # Else the snapshot would wait for the disk, and everything with it.
            await arun(["btrfs", "filesystem", "sync", str(self._pool.root)], timeout=_SYNC_SECONDS)
            self._pool.freeze_stack(build_id, ref)
        except CommandError as error:
            raise StackFailed(f"{name} could not be made: {error}") from error
        finally:
            self._pool.delete_build(build_id)
        return MadeStack(ref, packages)

    def packages(self, ref: str) -> dict[str, str]:
        """What is installed in a version that is in the pool. Raises NoSuchSubvolume."""
        return read_packages(self._pool.stack(ref))

    async def _fill(self, name: str, tree: Path, folder: Path, output: Output) -> None:
        sources, conf = folder / "sources.list", folder / "apt.conf"
        sources.write_text("".join(f"{line}\n" for line in await self._sources(name)))
        conf.write_text(stack_debian.apt_options((await arun(["apt-config", "dump"], timeout=_APT_SECONDS)).text))
        argv = stack_debian.command(stack_debian.arguments(name, target=_TARGET, sources_list=sources, apt_conf=conf))

        def properties(stdio: tuple[int, int, int], *_: object) -> dict[str, Any]:
            return unit_properties(argv, tree=Bind(tree, _TARGET, writable=True), name=name, stdio=stdio)

        progress = Progress(output)
        try:
            ended = await self._units.run(
                f"hostd-stack-{name}.service", properties,
                header=b"", source=None, output=progress, timeout=_SECONDS,
            )  # fmt: skip
        except BuildTimeout as error:
            last = f" It had come to: {progress.lines[-1]}" if progress.lines else ""
            raise StackFailed(
                f"{name} was not made within {_SECONDS / 60:g} minutes, and was given up.{last}"
            ) from error
        except BuildFailed as error:
            raise StackFailed(f"{name} could not be made: {error}") from error
        if not _succeeded(ended.info):
            raise StackFailed(f"{name} could not be made. {_killed(ended.info) or stack_debian.reason(progress.lines)}")

    async def _sources(self, name: str) -> list[str]:
        format_ = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
        # Without --no-release-info apt names only the mirrors whose indexes it has downloaded.
        argv = ["apt-get", "indextargets", "--no-release-info", "--format", format_, "Created-By: Packages"]
        targets = await arun(argv, timeout=_APT_SECONDS)
        own = stack_debian.own_codename((self._host / "etc/os-release").read_text())
        return stack_debian.sources(targets.text, own, stack_debian.codename(name))


class Progress:
    """An output that passes on what mmdebstrap is doing, and remembers the last lines of all that it said."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._rest = b""
        self.lines: list[str] = []

    async def __call__(self, piece: bytes) -> None:
        """Take a piece of what mmdebstrap said."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            self.lines = [*self.lines[1 - _KEPT_LINES :], text]
            if text.startswith("I: ") and not text.startswith(_NOISE):
                await self._output(f"       {text.removeprefix('I: ')}\n".encode())


def unit_properties(argv: Sequence[str], *, tree: Bind, name: str, stdio: tuple[int, int, int]) -> dict[str, Any]:
    """The unit that runs mmdebstrap, as a value: all that it says goes to one stream."""
    return {
        "Description": f"Making the stack {name}",
        "Type": "exec",
        "ExecStart": [(argv[0], [argument.replace("$", "$$") for argument in argv], False)],
        "RemainAfterExit": True,
        "CollectMode": "inactive",
        "KillMode": "control-group",
        "TimeoutStopUSec": round(_STOP_SECONDS * 1e6),
        # Our own clock stops it first; this one is for a unit that outlived hostd.
        "RuntimeMaxUSec": round((_SECONDS + 60) * 1e6),
        "StandardInputFileDescriptor": stdio[0],
        "StandardOutputFileDescriptor": stdio[1],
        "StandardErrorFileDescriptor": stdio[1],
        "BindPaths": [(str(tree.source), str(tree.target), False, 0)],
        "ProtectSystem": "strict",
        "ReadWritePaths": [str(tree.target)],
        "ProtectHome": "yes",
        "PrivateTmp": True,
        "PrivateIPC": True,
        "ProtectClock": True,
        "ProtectControlGroups": True,
        "ProtectHostname": True,
        "ProtectKernelLogs": True,
        "ProtectKernelModules": True,
        "ProtectKernelTunables": True,
        "RestrictRealtime": True,
        "NoNewPrivileges": True,
        "CapabilityBoundingSet": sum(1 << number for number in _CAPABILITIES.values()),
        "UMask": 0o022,
        "Slice": SLICE,
        "CPUAccounting": True,
        "CPUWeight": _WEIGHT,
        "MemoryAccounting": True,
        "MemoryMax": _MEMORY,
        "TasksAccounting": True,
        "TasksMax": _TASKS,
        "OOMPolicy": "kill",
        "OOMScoreAdjust": 500,
    }


def read_packages(tree: Path) -> dict[str, str]:
    """What is installed in a stack, package to version."""
    return stack_debian.installed((tree / _STATUS).read_text(errors="replace"))


def _add_mount_points(tree: Path, host: Path) -> None:
    """What builds and dynos have bound over: a read-only tree cannot be given it later."""
    for name in stack_debian.DIRECTORIES:
        make_directory(tree / name)
    for name in stack_debian.FILES:
        if not (tree / name).is_file() or (tree / name).is_symlink():
            replace(tree / name, b"")
    for name, source in stack_debian.COPIED.items():
        replace(tree / name, source.read_bytes())


def _succeeded(info: UnitInfo) -> bool:
    return info.result == "success" and info.exec_main_status == 0


def _killed(info: UnitInfo) -> str | None:
    if info.result == "oom-kill":
        return f"It was killed: it needed more than {_MEMORY >> 30} GB of memory"
    if info.result in ("signal", "timeout"):
        return "It was stopped by somebody"
    return None
