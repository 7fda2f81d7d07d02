"""Disks of freshly installed servers, made of Debian's packages and kept in the tests' cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from slugs.stack_debian import apt_options, own_codename, sources

MAKER = Path(__file__).parents[1] / "vm/make_image"
SECONDS = 1800
PACKAGES = (
    *("linux-image-cloud-amd64", "initramfs-tools", "systemd-sysv", "libpam-systemd", "dbus", "udev", "procps"),
    *("openssh-server", "git", "ca-certificates", "iproute2", "e2fsprogs", "btrfs-progs"),
)
"""What a rented server has at least: no Python, no curl, nothing of what install.sh wants but git."""
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""A program that the kernel kills when the process that started it ends, however that ends."""


@dataclass(frozen=True)
class Kind:
    """A kind of server. `services` are enabled, `packages` are beside the usual."""

    name: str
    release: str
    filesystem: str
    packages: tuple[str, ...]
    services: tuple[str, ...]


KINDS = (
    # As an installer of Debian's leaves it.
    Kind("debian_12", "bookworm", "ext4", ("ifupdown", "isc-dhcp-client"), ()),
    # As images for clouds are, and with the pool on the server's own disk.
    Kind("debian_13", "trixie", "btrfs", ("systemd-resolved",), ("systemd-networkd", "systemd-resolved")),
)


@dataclass(frozen=True)
class Image:
    """A disk that is never written to, and the kernel that belongs to it."""

    folder: Path

    @property
    def disk(self) -> Path:
        """The disk, as it is after an installation."""
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        """The kernel that boots it."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """What the kernel begins with."""
        return self.folder / "initrd.img"


def image(kind: Kind, cache: Path) -> Image:
    """The image of a kind of server; made, in a minute or two, unless there is one that was made of the same."""
    apt = {"sources.list": "\n".join(_sources(kind)) + "\n", "apt.conf": apt_options(_said("apt-config", "dump"))}
    files = [path for path in sorted(MAKER.parent.glob("root/**/*")) if path.is_file()]
    told = repr((astuple(kind), PACKAGES, apt)).encode()
    digest = hashlib.sha256(b"".join([told, MAKER.read_bytes(), *(path.read_bytes() for path in files)])).hexdigest()
    folder = cache / f"vm-{kind.name}-{digest[:12]}"
    with (cache / "vm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for old in cache.glob(f"vm-{kind.name}-*"):
                shutil.rmtree(old)
            _make(kind, apt, folder)
    return Image(folder)


def _make(kind: Kind, apt: dict[str, str], folder: Path) -> None:
    draft = folder.with_name(f"vm-{kind.name}-draft")
    draft.mkdir()
    for name, text in apt.items():
        (draft / name).write_text(text)
    alone = [*DIES_WITH_US, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    packages, services = ",".join((*PACKAGES, *kind.packages)), " ".join(kind.services)
    argv = [*alone, str(MAKER), kind.name, kind.release, kind.filesystem, packages, services, str(draft)]
    print(f"Making the disk of a {kind.name} server", flush=True)
    made = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert made.returncode == 0, f"{made.stdout}{made.stderr}"
    draft.rename(folder)


def _sources(kind: Kind) -> Sequence[str]:
    """From the mirrors that this machine uses."""
    words = ("--no-release-info", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    targets = _said("apt-get", "indextargets", *words)
    return sources(targets, own_codename(Path("/etc/os-release").read_text()), kind.release)


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
