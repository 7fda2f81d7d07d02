"""What the processes of a unit use, read from its control group (cgroup v1 and v2): a few short reads for each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")

_LARGEST = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOP = "7:"
"""The major number of loop devices: what is read from one is read from the disk below it, too."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Use by all processes of a control group: memory in bytes, processor in seconds since it was made.

    ``rss`` is anonymous memory, ``cache`` pages of files, which the kernel takes back when it needs them, but for
    ``shared`` of them (/dev/shm). ``pages_in`` and ``pages_out``, counted since it was made: with v1 the pages that
    came to be the group's and ceased to be; with v2 those that it read from disks and wrote to them, if systemd has
    the kernel count that. None: the kernel does not count it here.
    """

    rss: int | None = None
    cache: int | None = None
    shared: int | None = None
    swap: int | None = None
    pages_in: int | None = None
    pages_out: int | None = None
    cpu_seconds: float | None = None


class Cgroups:
    """Reads usage by a unit's ``ControlGroup`` (``UnitInfo.control_group``)."""

    def __init__(self, root: Path = CGROUP_ROOT, proc: Path = PROC) -> None:
        self._root = str(root)
        self._proc = str(proc)
        self._unified = (root / "cgroup.controllers").exists()

    @property
    def unified(self) -> bool:
        """Whether there is one tree of all controllers: version 2."""
        return self._unified

    def usage(self, control_group: str) -> Usage | None:
        """What the group uses now, or None when it is gone. Two or three reads, 30 us."""
        group = control_group.strip("/")
        if not group or not _is_there(self._path("systemd", group)):
            return None
        return self._usage_v2(group) if self._unified else self._usage_v1(group)

    def threads(self, control_group: str) -> list[int]:
        """The threads of the group and of those within it; none when it is gone."""
        top = self._path("systemd", control_group.strip("/"))
        name = "cgroup.threads" if self._unified else "tasks"
        found: list[int] = []
        for folder in _with_those_within(top):
            found += map(int, _text(f"{folder}/{name}").split())
        return found

    def waited(self, threads: list[int]) -> dict[int, int]:
        """For how many nanoseconds each of these threads has waited for a processor, but for those that have ended.

        The second number of /proc/<thread>/schedstat (Documentation/scheduler/sched-stats.rst).
        """
        found: dict[int, int] = {}
        for thread in threads:
            numbers = _text(f"{self._proc}/{thread}/schedstat").split()
            if len(numbers) > 1:
                found[thread] = int(numbers[1])
        return found

    def _usage_v2(self, group: str) -> Usage:
        folder = self._path("", group)
        stat = parse_table(_text(f"{folder}/memory.stat"))
        read, written = _pages(_text(f"{folder}/io.stat"))
        return Usage(
            rss=stat.get("anon"),
            cache=stat.get("file"),
            shared=stat.get("shmem"),
            swap=_number(f"{folder}/memory.swap.current"),
            pages_in=stat.get("pgpgin", read),
            pages_out=stat.get("pgpgout", written),
            cpu_seconds=_microseconds(f"{folder}/cpu.stat"),
        )

    def _usage_v1(self, group: str) -> Usage:
        stat = parse_table(_text(f"{self._path('memory', group)}/memory.stat"))
        nanoseconds = _number(f"{self._path('cpuacct', group)}/cpuacct.usage")
        return Usage(
            rss=stat.get("total_rss"),
            cache=stat.get("total_cache"),
            shared=stat.get("total_shmem"),
            swap=stat.get("total_swap"),
            pages_in=stat.get("total_pgpgin"),
            pages_out=stat.get("total_pgpgout"),
            # systemd fills cpuacct only where it is mounted together with cpu; cgroup2 counts without a controller.
            cpu_seconds=_microseconds(f"{self._path('unified', group)}/cpu.stat")
            if nanoseconds is None
            else nanoseconds / 1e9,
        )

    def _path(self, controller: str, group: str) -> str:
        """On v1 every controller has a tree of its own."""
        return f"{self._root}/{group}" if self._unified else f"{self._root}/{controller}/{group}"


def parse_table(text: str) -> dict[str, int]:
    """The lines ``name number`` of a flat keyed file such as memory.stat."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].strip().isdigit()}


def _is_there(folder: str) -> bool:
    try:
        os.stat(folder)  # noqa: PTH116 - a Path for each would take longer than the question
    except OSError:
        return False
    return True


def _text(path: str) -> str:
    """The file's text; "" if it is gone, or if its controller is not there: either way there is no figure."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _LARGEST).decode()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _number(path: str) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _microseconds(path: str) -> float | None:
    used = parse_table(_text(path)).get("usage_usec")
    return None if used is None else used / 1e6


def _pages(text: str) -> tuple[int | None, int | None]:
    """Pages that were read and written, of a text such as ``254:0 rbytes=4096 wbytes=0 rios=1 ...``."""
    if not text:
        return None, None
    read = written = 0
    for line in text.splitlines():
        device, *pairs = line.split()
        if not device.startswith(_LOOP):
            values: Mapping[str, str] = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            read += int(values.get("rbytes", 0))
            written += int(values.get("wbytes", 0))
    return read // _PAGE, written // _PAGE


def _with_those_within(folder: str) -> list[str]:
    """A folder, and all below it; to see that there is none takes one question (stat(2), st_nlink)."""
    try:
        within = os.stat(folder).st_nlink > 2  # noqa: PTH116
        names = [entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)] if within else []
    except OSError:
        return []
    return [folder, *(deeper for name in names for deeper in _with_those_within(name))]
