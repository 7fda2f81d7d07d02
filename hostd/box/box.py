"""One box: its directory, its life, and a way in.

Layout of the directory: `upper/` and `work/` (the overlay's changes), `root/` (the merged tree while it
runs), `pool.img` and `pool/` (its btrfs pool), `box.json` (how it was made), `console.log`. The sockets of
the platform inside appear in `/run/hostd-box/<name>/`, which is the box's `/run/hostd`.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostd.box import mounts, processes, quiet
from hostd.box.boot import FILES, Bind, boot, nspawn_command
from hostd.box.cgroups import Groups
from hostd.box.errors import BoxError
from hostd.box.network import allow_forwarding, clear_networks, end_forwarding, network_name

BOXES = Path("/var/lib/hostd-box")
RUN = Path("/run/hostd-box")
FORWARDING_MEMORY = RUN / ".forwarding"
DEFAULT_POOL_SIZE = 20 * 1024**3
BOOT_SECONDS = 90.0
STOP_SECONDS = 60.0
INIT = Path("/usr/local/sbin/hostd-box-init")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Status:
    """What a box is doing. Sizes in bytes."""

    name: str
    directory: Path
    installed: bool
    running: bool
    leader: int | None
    pool_size: int | None

    def as_json(self) -> dict[str, object]:
        """The fields as JSON values."""
        return {**vars(self), "directory": str(self.directory)}


class Box:
    """The box `name`; `directory` defaults to /var/lib/hostd-box/<name>."""

    def __init__(self, name: str, directory: Path | None = None) -> None:
        if not NAME.fullmatch(name):
            raise BoxError(f"{name!r} is no name for a box: use lower-case letters, digits and dashes, at most 40")
        self.name = name
        self.directory = (directory or BOXES / name).resolve()
        self.root = self.directory / "root"
        self.upper = self.directory / "upper"
        self.pool = self.directory / "pool"
        self.image = self.directory / "pool.img"
        self.run_directory = RUN / name
        self.console = self.directory / "console.log"
        self.network = network_name(name)
        self._settings = self.directory / "box.json"
        self._groups = Groups(name)

    def start(self, pool_size: int | None = None, seconds: float = BOOT_SECONDS) -> bool:
        """Boot the box and wait until its systemd is ready; False if it was running already.

        `pool_size` (bytes) is used when the pool is made, and grows an existing pool, in use too; it never shrinks one.
        Raises BoxError when the machine lacks something, or the box does not come up within `seconds`.
        """
        self._require_root()
        with self._locked():
            if processes.find(self.root):
                allow_forwarding(self.name, FORWARDING_MEMORY)
                if pool_size is not None:
                    mounts.make_pool(self.image, pool_size)
                    mounts.fill_image(self.image, self.pool)
                return False
            self._require_machine()
            self._clean()
            try:
                allow_forwarding(self.name, FORWARDING_MEMORY)
                self._mount(pool_size or self._remembered_pool_size())
                self._prepare_root()
                self._boot(seconds)
            except BaseException:
                self._end(0.0)
                raise
        return True

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """Shut the box down: cleanly within `seconds`, else by force; False if force was needed.

        Also clears what a killed box left behind: mounts, control groups, sockets.
        """
        self._require_root()
        with self._locked():
            return self._end(seconds)

    def remove(self) -> None:
        """End the box at once and delete its directory with everything in it, the pool too."""
        self.stop(seconds=0)
        if any(self.directory in path.parents for path in mounts.mount_points()):
            raise BoxError(f"something is still mounted below {self.directory}; nothing was deleted")
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.run_directory, ignore_errors=True)
        self._lock_path().unlink(missing_ok=True)

    def status(self) -> Status:
        """What the box is doing now."""
        running = processes.find(self.root)
        size = self.image.stat().st_size if self.image.exists() else None
        return Status(self.name, self.directory, self._settings.exists(), bool(running), running.leader, size)

    def leader(self) -> int | None:
        """The machine's pid of the box's PID 1, or None when the box is not running."""
        return processes.find(self.root).leader

    def command(self, argv: Sequence[str]) -> list[str]:
        """The argument list that runs `argv` inside the running box as root, with this process's terminal.

        nsenter(1) enters the leader's namespaces; the network is shared anyway.
        """
        leader = self.leader()
        if leader is None:
            raise BoxError(f"the box {self.name} is not running; start it with `hostctl box start`")
        namespaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root"]
        return ["nsenter", f"--target={leader}", *namespaces, "--wdns=/root", "--", *argv]

    def _mount(self, pool_size: int) -> None:
        for path in (self.upper, self.directory / "work", self.root, self.pool, self.run_directory):
            path.mkdir(parents=True, exist_ok=True)
        mounts.make_pool(self.image, pool_size)
        mounts.mount_overlay(self.upper, self.directory / "work", self.root)
        mounts.mount_pool(self.image, self.pool)
        self._remember(pool_size=pool_size)

    def _prepare_root(self) -> None:
        """Write what the box needs into the overlay before it boots; the machine's own files stay."""
        init = self.root / INIT.relative_to("/")
        init.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES / "init", init)
        init.chmod(0o755)
        self._quieten()
        machine_id = self.root / "etc/machine-id"
        if not machine_id.exists() or len(machine_id.read_text(encoding="ascii").strip()) != 32:
            machine_id.write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
        for name in ("etc/resolv.conf", "etc/hosts"):
            self._copy_if_different(Path("/") / name, self.root / name)
        for name in ("etc/fstab", "etc/crypttab"):
            self._empty(self.root / name)
        default = self.root / "etc/systemd/system/default.target"
        default.unlink(missing_ok=True)
        default.symlink_to("/lib/systemd/system/multi-user.target")

    def _quieten(self) -> None:
        """Mask each unneeded unit once: what someone unmasks inside the box stays unmasked."""
        remembered = self._remembered().get("masked")
        masked = set(remembered) if isinstance(remembered, list) else set()
        unneeded = [unit for unit in quiet.unneeded_units(self.root) if unit not in masked]
        quiet.mask(self.root, unneeded)
        self._remember(masked=sorted(masked | set(unneeded)))

    def _boot(self, seconds: float) -> None:
        binds = [Bind(self.pool, Path("/var/lib/hostd/pool")), Bind(self.run_directory, Path("/run/hostd"))]
        hidden = [BOXES] if self.directory.is_relative_to(BOXES) else [BOXES, self.directory]
        command = nspawn_command(f"hostd-{self.name}", self.root, binds, hidden, INIT)
        notify = RUN / f"{self.name}.notify"
        boot(command, self._groups.create(), self.console, notify, seconds)

    def _end(self, seconds: float) -> bool:
        running = processes.find(self.root)
        clean = processes.end(running, seconds) if running else True
        self._clean()
        return clean

    def _clean(self) -> None:
        """Undo what a box leaves that no longer runs: surviving processes, networks, mounts, groups, sockets."""
        self._groups.kill()
        clear_networks(self.network)
        end_forwarding(self.name, FORWARDING_MEMORY)
        mounts.unmount(self.root)
        mounts.unmount(self.pool)
        self._groups.remove()
        if self.run_directory.is_dir():
            for entry in self.run_directory.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)

    def _remembered_pool_size(self) -> int:
        size = self._remembered().get("pool_size")
        return size if isinstance(size, int) else DEFAULT_POOL_SIZE

    def _remembered(self) -> dict[str, object]:
        try:
            settings = json.loads(self._settings.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return settings if isinstance(settings, dict) else {}

    def _remember(self, **changes: object) -> None:
        settings = {**self._remembered(), "name": self.name, **changes}
        draft = self._settings.with_suffix(".new")
        draft.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        draft.rename(self._settings)

    def _lock_path(self) -> Path:
        return RUN / f"{self.name}.lock"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One start or stop at a time; the kernel drops the lock with its process (flock(2))."""
        RUN.mkdir(parents=True, exist_ok=True)
        with self._lock_path().open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _require_root() -> None:
        if os.geteuid() != 0:
            raise BoxError("a box needs root: run this with sudo")

    @staticmethod
    def _require_machine() -> None:
        if shutil.which("systemd-nspawn") is None:
            raise BoxError("systemd-nspawn is not installed: apt-get install systemd-container")
        known = Path("/proc/filesystems").read_text(encoding="ascii").split()
        for filesystem in ("overlay", "btrfs"):
            if filesystem not in known:
                raise BoxError(f"this machine's kernel has no {filesystem} file system, which a box needs")

    @staticmethod
    def _copy_if_different(source: Path, target: Path) -> None:
        """Give the box the machine's text in a plain file: in a container it is often a mount of its own."""
        if not source.exists():
            return
        text = source.read_bytes()
        if target.is_symlink() or not target.exists() or target.read_bytes() != text:
            target.unlink(missing_ok=True)
            target.write_bytes(text)

    @staticmethod
    def _empty(path: Path) -> None:
        """The machine mounts its disks; the box must not try."""
        if path.exists() and path.stat().st_size > 0:
            path.write_text("", encoding="ascii")


def clean_environment() -> dict[str, str]:
    """The environment of a command inside the box: the caller's terminal and language, nothing else."""
    kept = {name: os.environ[name] for name in ("TERM", "LANG", "COLUMNS", "LINES") if name in os.environ}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**kept, "PATH": path, "HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash"}


def list_boxes() -> list[str]:
    """Names of the boxes in the usual place, sorted."""
    return sorted(path.parent.name for path in BOXES.glob("*/box.json"))


def ready(socket_path: Path) -> bool:
    """Whether something answers on a unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(socket_path))
        except OSError:
            return False
    return True
