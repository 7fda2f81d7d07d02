"""What the processes of a unit use, read from its control group (cgroup v1 and v2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Usage:
    """Use by all processes of a control group: memory in bytes, processor in seconds since it was made.

    ``memory`` is what the limit counts: ``rss`` (anonymous memory), ``cache`` (pages of files, which the kernel
    takes back when it needs them, but for ``shared`` of them: /dev/shm) and the kernel's own. None: the kernel does
    not count it here.
    """

    memory: int | None
    rss: int | None
    cache: int | None
    swap: int | None
    cpu_seconds: float | None
    tasks: int | None
    oom_kills: int | None
    shared: int | None = None


class Cgroups:
    """Reads usage by a unit's ``ControlGroup`` (``UnitInfo.control_group``)."""

    def __init__(self, root: Path = CGROUP_ROOT) -> None:
        self._root = root
        self._unified = (root / "cgroup.controllers").exists()

    def usage(self, control_group: str) -> Usage | None:
        """What the group uses now, or None when it is gone. A dozen small reads, 0.2 ms."""
        if not control_group.strip("/"):
            return None
        folder = _Folder(self._root, control_group, self._unified)
        if not folder.exists():
            return None
        return _usage_v2(folder) if self._unified else _usage_v1(folder)


class _Folder:
    """The files of one group; on v1 every controller has a tree of its own."""

    def __init__(self, root: Path, control_group: str, unified: bool) -> None:
        self._root, self._group, self._unified = root, control_group.strip("/"), unified

    def exists(self) -> bool:
        return self._path("systemd").is_dir()

    def text(self, controller: str, name: str) -> str | None:
        try:
            return (self._path(controller) / name).read_text()
        except OSError:
            # Gone in between, or the controller is not mounted: either way there is no figure.
            return None

    def number(self, controller: str, name: str) -> int | None:
        text = self.text(controller, name)
        return int(text) if text else None

    def table(self, controller: str, name: str) -> Mapping[str, int]:
        return parse_table(self.text(controller, name) or "")

    def _path(self, controller: str) -> Path:
        return self._root / self._group if self._unified else self._root / controller / self._group


def parse_table(text: str) -> dict[str, int]:
    """The lines ``name number`` of a flat keyed file such as memory.stat."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].strip().isdigit()}


def _usage_v2(folder: _Folder) -> Usage:
    stat = folder.table("memory", "memory.stat")
    return Usage(
        memory=folder.number("memory", "memory.current"),
        rss=stat.get("anon"),
        cache=stat.get("file"),
        swap=folder.number("memory", "memory.swap.current"),
        cpu_seconds=_cpu_seconds(folder, "cpu"),
        tasks=folder.number("pids", "pids.current"),
        oom_kills=folder.table("memory", "memory.events").get("oom_kill"),
        shared=stat.get("shmem"),
    )


def _usage_v1(folder: _Folder) -> Usage:
    stat = folder.table("memory", "memory.stat")
    return Usage(
        memory=folder.number("memory", "memory.usage_in_bytes"),
        rss=stat.get("total_rss"),
        cache=stat.get("total_cache"),
        swap=stat.get("total_swap"),
        # systemd fills cpuacct only where it is mounted together with cpu; cgroup2 counts without a controller.
        cpu_seconds=_cpu_seconds(folder, "unified"),
        tasks=folder.number("pids", "pids.current"),
        oom_kills=folder.table("memory", "memory.oom_control").get("oom_kill"),
        shared=stat.get("total_shmem"),
    )


def _cpu_seconds(folder: _Folder, tree: str) -> float | None:
    nanoseconds = folder.number("cpuacct", "cpuacct.usage")
    if nanoseconds is not None:
        return nanoseconds / 1e9
    microseconds = folder.table(tree, "cpu.stat").get("usage_usec")
    return None if microseconds is None else microseconds / 1e6
