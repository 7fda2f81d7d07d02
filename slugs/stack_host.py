"""The host stack: the server's own system as the root file system of builds and dynos.

It is a skeleton of empty directories and a minimal `/etc`, into which the server's own `/usr` is bound read-only.
Dynos have mounts on its directories, and removing or renaming over a mount point detaches the mount in every
namespace: `ensure_host_stack` therefore only ever adds to a skeleton, and replaces only files that no one binds
anything to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from slugs.pool import Pool
from slugs.stack_root import Stack, make_directory, replace
from units.sandbox import Bind

HOST = "host"

_FILES = {
    name: Path(__file__).with_name("stack") / name.rpartition("/")[2]
    for name in (".hostd/launch", "etc/nsswitch.conf", "etc/bash.bashrc")
}

# fmt: off
# What apt reads of /etc/apt; bound one by one, because not every server has each.
_APT_FOLDERS = ("apt.conf.d", "keyrings", "preferences.d", "sources.list.d", "trusted.gpg.d")
_APT_FILES = ("apt.conf", "preferences", "sources.list", "trusted.gpg")
# Mount points and directories that programs expect; all empty in the skeleton.
_DIRECTORIES = (
    "app", "boot", "cache", "dev", "env", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv",
    "sys", "tmp", "usr", "var", "var/cache", "var/lib", "var/lib/apt", "var/lib/apt/lists", "var/lib/dpkg",
    "var/log", "var/spool", "var/tmp",
    "etc/alternatives", "etc/apt", "etc/ssl", "etc/ssl/certs", ".hostd", ".hostd/bin", ".hostd/buildpacks",
    ".hostd/runner", ".hostd/lib", *(f"etc/apt/{name}" for name in _APT_FOLDERS),
)
# Configuration of the host's own programs, as patterns below /etc: copied, but for what others may not read.
_COPIED = (
    "services", "protocols", "rpc", "mime.types", "localtime", "timezone", "ld.so.conf", "ld.so.conf.d",
    "debian_version", "os-release", "ssl/openssl.cnf", "ca-certificates.conf", "perl", "python3", "python3.*",
    "java-*-openjdk", "fonts", "terminfo", "inputrc", "ImageMagick-*", "magic", "uv", "pip.conf", "npmrc",
)
# fmt: on
# Files that something is bound over: empty, and never replaced.
_TARGETS = (
    *("etc/passwd", "etc/group", "etc/resolv.conf", "etc/ld.so.cache"),
    # apt buildpacks read it, and servers whose sources are all in sources.list.d have none.
    "etc/apt/sources.list",
    *(".hostd/bin/uv", ".hostd/bin/patchelf"),
)
_LINKS = {"var/run": "/run", "var/lock": "/run/lock", "etc/mtab": "../proc/self/mounts"}
# Links of a merged /usr (Debian 12 and later), made where the host has them.
_USR_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_READ_ONLY = ("/usr", "/etc/alternatives", "/etc/ssl/certs", "/etc/ld.so.cache", "/etc/resolv.conf")
# What apt needs to fetch and unpack packages into a slug, as apt buildpacks do, and the lists that it need not fetch.
_BUILD_ONLY = (*(f"/etc/apt/{name}" for name in (*_APT_FOLDERS, *_APT_FILES)), "/var/lib/apt/lists", "/var/lib/dpkg")


def ensure_host_stack(pool: Pool, host: Path = Path("/")) -> Stack:
    """The stack that is the server's own system at `host`; makes or updates its skeleton in the pool.

    Cheap when the skeleton is current (a few milliseconds); harmless while dynos run on it.
    """
    root = pool.root / "stacks" / HOST
    name = os.uname().nodename
    if _stamp(root) != (stamp := _version(host, name)):
        _make_directories(root, host)
        for source in _sources(host):
            _copy(source, root / source.relative_to(host))
        for target, source in _FILES.items():
            replace(root / target, source.read_bytes(), 0o755 if target == ".hostd/launch" else 0o644)
        replace(root / "etc/hostname", f"{name}\n".encode())
        replace(root / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n".encode())
        replace(root / ".hostd/version", stamp.encode())
    system, release = _os_release(host)
    return Stack(
        name=HOST,
        root=root,
        binds=_binds(host, [*_READ_ONLY, *_unmerged(host)]),
        build_binds=_binds(host, _BUILD_ONLY),
        release=f"{system}-{release}",
        title=f"{system.capitalize()}-{release}",
        version=_system_version(host, release),
    )


def packages_changed(host: Path = Path("/")) -> int:
    """A number that differs once a package of the server's own system was installed, upgraded or removed."""
    try:
        return (host / "var/lib/dpkg/status").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


# Helpers


def _os_release(host: Path) -> tuple[str, str]:
    lines = (host / "etc/os-release").read_text().splitlines()
    values = {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
    return values.get("ID", "linux"), values.get("VERSION_ID", "unknown")


def _system_version(host: Path, release: str) -> str:
    """Debian's point release, such as 12.11; what calls itself something else has only its release."""
    try:
        text = (host / "etc/debian_version").read_text().strip()
    except FileNotFoundError:
        text = ""
    return text if re.fullmatch(rf"{re.escape(release)}\.\d+", text) else release


def _sources(host: Path) -> Iterator[Path]:
    for pattern in _COPIED:
        yield from sorted((host / "etc").glob(pattern))


def _version(host: Path, name: str) -> str:
    """Changes whenever anything that goes into the skeleton does."""
    parts = [name, *_DIRECTORIES, *_targets(host), *_LINKS]
    for top in [*_sources(host), *_FILES.values()]:
        for path in [top, *(sorted(top.rglob("*")) if top.is_dir() else ())]:
            status = path.lstat()
            parts.append(f"{path} {status.st_mtime_ns} {status.st_size} {status.st_mode:o}")
    return "\n".join(parts) + "\n"


def _stamp(root: Path) -> str | None:
    try:
        return (root / ".hostd/version").read_text()
    except FileNotFoundError:
        return None


def _make_directories(root: Path, host: Path) -> None:
    make_directory(root)
    for link in _USR_LINKS:
        source = host / link
        target = root / link
        if source.is_symlink() and not target.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir() and not target.is_symlink():
            make_directory(target)
    for name in _DIRECTORIES:
        make_directory(root / name)
    for name in _targets(host):
        (root / name).touch()
        (root / name).chmod(0o644)
    for name, link_to in _LINKS.items():
        _replace_link(root / name, Path(link_to))
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)


def _targets(host: Path) -> list[str]:
    return [*_TARGETS, *(f"etc/apt/{name}" for name in _APT_FILES if (host / "etc/apt" / name).exists())]


def _copy(source: Path, target: Path) -> None:
    """Copies what everyone may read on the host; never deletes."""
    if source.is_symlink():
        _replace_link(target, source.readlink())
    elif source.is_dir():
        make_directory(target)
        for entry in source.iterdir():
            _copy(entry, target / entry.name)
    elif source.is_file() and source.stat().st_mode & 0o004:
        replace(target, source.read_bytes())


def _unmerged(host: Path) -> list[str]:
    return [f"/{name}" for name in _USR_LINKS if (host / name).is_dir() and not (host / name).is_symlink()]


def _binds(host: Path, paths: Iterable[str]) -> list[Bind]:
    pairs = {host / path.lstrip("/"): Path(path) for path in paths}
    return [Bind(source, target) for source, target in pairs.items() if source.exists()]


def _replace_link(target: Path, link_to: Path) -> None:
    fresh = target.with_name(target.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(link_to)
    fresh.replace(target)
