"""What a stack is to a build or a dyno: a read-only root file system, and who the app is in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from slugs.pool import SCRATCH_FOLDERS
from units.network import Network
from units.sandbox import Bind

_USERS = {"root": 0, "daemon": 1, "bin": 2, "sys": 3, "nobody": 65534}
_RESOLV_CONF = Path("/etc/resolv.conf")
_TERMINALS = Path("/run/hostd/terminals")
"""Where systemd mounts the terminals of dynos and builds (`run-hostd-terminals.mount`)."""
_GROUPS = {"root": 0, "daemon": 1, "bin": 2, "sys": 3, "tty": 5, "nogroup": 65534}


@dataclass(frozen=True)
class Stack:
    """A root file system: `root` plus what is bound into it.

    `binds` are for every unit, `build_binds` only for builds. `release` is what STACK says in a build and
    `title` what the transcript says, such as debian-12 and Debian-12; `version` is which build of the stack this
    is, or for the host stack the release of the server's own system.
    """

    name: str
    root: Path
    binds: list[Bind]
    build_binds: list[Bind]
    release: str
    title: str
    version: str = "unknown"

    @property
    def ref(self) -> str:
        """Name and version as releases record them: `debian-12@20261121.1`, `host@12.11`."""
        return f"{self.name}@{self.version}"


def name_of(ref: str) -> str:
    """The name in `debian-12@20261121.1`."""
    return ref.partition("@")[0]


def version_of(ref: str) -> str:
    """The version in `debian-12@20261121.1`."""
    return ref.partition("@")[2]


def scratch_binds(scratch: Path) -> list[Bind]:
    """`/tmp` and `/var/tmp` of a sandbox, in a folder that `Pool.scratch` made; and where it may make terminals.

    systemd's PrivateDevices= shows it the server's, of which it could leave none to anybody.
    """
    folders = [Bind(scratch / kind, target, writable=True) for kind, target in SCRATCH_FOLDERS.items()]
    return [*folders, Bind(_TERMINALS, Path("/dev/pts"), writable=True)]


def identity_binds(stack: Stack, uid: int) -> list[Bind]:
    """`/etc/passwd` and `/etc/group` in which `uid` is the user and group `app` with the home `/app`."""
    folder = _identity(stack, uid)
    for name, text in identity_files(uid).items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            make_directory(folder.parent)
            make_directory(folder)
            replace(path, text.encode())
    return [Bind(folder / name, Path("/etc") / name) for name in ("passwd", "group")]


def resolving_binds(binds: Iterable[Bind], network: Network | None) -> list[Bind]:
    """The same, but for whom is asked for names, if the network is one of its own."""
    if network is None:
        return list(binds)
    return [*(bind for bind in binds if bind.target != _RESOLV_CONF), Bind(network.resolv_conf, _RESOLV_CONF)]


def drop_identity(stack: Stack, uid: int) -> None:
    """Forget the files of a uid that no app has any more; fine if there are none."""
    shutil.rmtree(_identity(stack, uid), ignore_errors=True)


def identity_files(uid: int) -> dict[str, str]:
    """The text of `passwd` and `group` for an app's uid."""
    users = {**_USERS, "app": uid}
    homes = {"root": ("/root", "/bin/bash"), "app": ("/app", "/bin/bash")}
    nowhere = ("/nonexistent", "/usr/sbin/nologin")
    passwd = [
        ":".join((name, "x", str(number), str(number), name, *homes.get(name, nowhere)))
        for name, number in users.items()
    ]
    group = [f"{name}:x:{number}:" for name, number in {**_GROUPS, "app": uid}.items()]
    return {"passwd": "\n".join(passwd) + "\n", "group": "\n".join(group) + "\n"}


# Helpers


def _identity(stack: Stack, uid: int) -> Path:
    return stack.root.parent / ".identities" / str(uid)


def make_directory(path: Path) -> None:
    """A directory that everybody may read; fine if it is there."""
    path.mkdir(exist_ok=True)
    path.chmod(0o755)


def replace(target: Path, content: bytes, mode: int = 0o644) -> None:
    """Give a file other content in one step."""
    fresh = target.with_name(target.name + ".new")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.replace(target)
