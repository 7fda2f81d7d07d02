"""The person who runs the installer: their account, e-mail address and ssh key."""

import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostd.install.errors import InstallError
from units.run import run

KEY_NAMES = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class Caller:
    """An account of this machine. `home` is where its ssh keys are."""

    name: str
    uid: int
    gid: int
    home: Path

    def command(self, argv: Sequence[str]) -> list[str]:
        """The argument list that runs a program as this account."""
        return list(argv) if self.uid == os.geteuid() else ["runuser", "-u", self.name, "--", *argv]

    def environment(self, **extra: str) -> dict[str, str]:
        """A plain environment of this account, with `extra`."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": str(self.home), "USER": self.name, "LANG": "C.UTF-8", **extra}


def caller(environ: Mapping[str, str]) -> Caller:
    """Who called: with sudo the account that sudo names, else this process's."""
    name = environ.get("SUDO_USER")
    try:
        entry = pwd.getpwnam(name) if name else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise InstallError(f"this machine knows no account {name or os.geteuid()}") from error
    home = Path(entry.pw_dir) if name or "HOME" not in environ else Path(environ["HOME"])
    return Caller(entry.pw_name, entry.pw_uid, entry.pw_gid, home)


def ssh_key(who: Caller) -> tuple[Path, bool]:
    """The caller's private key that has a public half beside it, made if there is none; whether it is new."""
    folder = who.home / ".ssh"
    for name in KEY_NAMES:
        if (folder / name).exists() and (folder / f"{name}.pub").exists():
            return folder / name, False
    key = folder / "id_ed25519"
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)
        os.chown(folder, who.uid, who.gid)
    comment = f"{who.name}@{os.uname().nodename}"
    argv = who.command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)])
    run(argv, env=who.environment(), timeout=60)
    return key, True
