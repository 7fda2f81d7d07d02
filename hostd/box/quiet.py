"""Which of the machine's units a box leaves out, so that it never fights for the machine's ports and clocks.

The overlay carries the machine's whole unit configuration. Everything that would start by itself and is not
needed to run systemd is masked, in the overlay only.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

STARTERS = ("multi-user", "graphical", "timers", "sockets", "paths", "network-online", "cloud-init", "basic")
UNIT_FOLDERS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
NEEDED = (
    "hostd*",
    "*.target",
    "dbus*",
    "systemd-ask-password-*",
    "systemd-initctl.socket",
    "systemd-journald*",
    "systemd-logind.service",
    "systemd-pcrphase*",
    "systemd-tmpfiles-*",
    "systemd-update-utmp*",
    "systemd-user-sessions.service",
)
UNWANTED = (
    "cloud-init.target",
    "console-getty.service",
    "getty.target",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
)


def unneeded_units(root: Path) -> list[str]:
    """Names of the units that the system at `root` would start by itself and a box has no use for, sorted."""
    return sorted({unit for unit in _starting(root) if _unneeded(unit)} | set(UNWANTED))


def mask(root: Path, units: Iterable[str]) -> None:
    """Mask units below `root` (systemd.unit(5): a symbolic link to /dev/null); an own unit file gives way."""
    folder = root / "etc/systemd/system"
    folder.mkdir(parents=True, exist_ok=True)
    for unit in units:
        link = folder / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _unneeded(unit: str) -> bool:
    return not any(fnmatchcase(unit, pattern) for pattern in NEEDED)


def _starting(root: Path) -> Iterable[str]:
    for folder in UNIT_FOLDERS:
        for target in STARTERS:
            for kind in ("wants", "requires"):
                yield from (link.name for link in (root / folder / f"{target}.target.{kind}").glob("*"))
    # Only what an administrator enabled: the early units that systemd ships are needed.
    yield from (link.name for link in (root / "etc/systemd/system/sysinit.target.wants").glob("*"))
    # systemd-sysv-generator(8): a start link of runlevels 2 to 5 becomes a service of that name.
    for link in (root / "etc").glob("rc[2-5].d/S[0-9][0-9]*"):
        yield f"{link.name[3:]}.service"
