"""Unpacks tarballs of buildpacks: nothing outside, no links outside, no devices, bounded in size and number."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from .trouble import Trouble

MAX_BYTES = 500 << 20
MAX_FILES = 20_000


def unpack(archive: Path, target: Path) -> str:
    """Unpack into a new folder and take a single folder at its top off, unless it is `bin`; raises Trouble.

    Returns the commit that `git archive` wrote into its header, or nothing.
    """
    target.mkdir(parents=True)
    try:
        with tarfile.open(archive) as tar:
            _extract_all(tar, target)
            commit = tar.pax_headers.get("comment", "")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Trouble(f"it cannot be unpacked: {error}") from error
    if not (target / "bin").is_dir():
        strip_top(target)
    check_tree(target)
    return commit


def strip_top(folder: Path) -> None:
    """Take off the one folder that is all there is in `folder`, if so."""
    entries = list(folder.iterdir())
    if len(entries) != 1 or entries[0].is_symlink() or not entries[0].is_dir():
        return
    # Renamed first: it may hold something of its own name.
    top = entries[0].rename(folder / f".hostd-top-{os.getpid()}")
    for entry in list(top.iterdir()):
        entry.rename(folder / entry.name)
    top.rmdir()


def check_tree(folder: Path) -> None:
    """Raises Trouble for a tree with too many files, too many bytes, or a link that leads out of it."""
    files = size = 0
    root = os.path.realpath(folder)
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(parent, name)  # noqa: PTH118 - half the time of pathlib over many files
            files, size = files + 1, size + os.lstat(path).st_size
            if files > MAX_FILES or size > MAX_BYTES:
                raise Trouble(f"it has more than {MAX_FILES} files or {MAX_BYTES >> 20} MB")
            if os.path.islink(path) and not _within(os.path.realpath(path), root):  # noqa: PTH114
                raise Trouble(f"the link {_shown(os.path.relpath(path, folder))} leads out of it")


def _extract_all(tar: tarfile.TarFile, target: Path) -> None:
    files = size = 0
    for member in tar:
        files, size = files + 1, size + member.size
        if files > MAX_FILES or size > MAX_BYTES:
            raise Trouble(f"it has more than {MAX_FILES} files or {MAX_BYTES >> 20} MB")
        if not PurePosixPath(member.name).parts:
            continue
        _extract(tar, member, _place(target, member.name), target)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, target: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        shutil.copy2(_place(target, member.linkname), path, follow_symlinks=False)
    elif (content := tar.extractfile(member)) is not None:
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        path.chmod(0o755 if member.mode & 0o100 else 0o644)
    else:
        raise Trouble(f"{_shown(member.name)} is neither a file nor a folder nor a link")


def _place(target: Path, name: str) -> Path:
    """Where a member goes; raises Trouble when that is outside, or would be reached through a link."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise Trouble(f"{_shown(name)} lies outside of it")
    path = target / pure
    for parent in path.parents:
        if parent == target:
            break
        if parent.is_symlink():
            raise Trouble(f"{_shown(name)} would be written through a link")
    return path


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")


def _shown(text: str) -> str:
    return text.encode("unicode_escape").decode()[:200]
