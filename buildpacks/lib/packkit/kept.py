"""Trees that are kept in the cache from one build to the next, and taken back while their key is the same."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path


def digest(parts: Iterable[str | bytes | Path]) -> str:
    """A key made of texts and of the content of files; a file that is missing counts as such."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            content = part.read_bytes() if part.is_file() else b"\0missing"
        else:
            content = part.encode() if isinstance(part, str) else part
        total.update(f"{len(content)}:".encode() + content)
    return total.hexdigest()


def files_below(*folders: Path) -> list[Path]:
    """The Python files of a buildpack, which decide about what it makes."""
    return sorted(file for folder in folders for file in folder.rglob("*.py"))


class Kept:
    """One folder of the cache: a key and trees by name. Copies share their blocks where the disk can do that."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def matches(self, key: str) -> bool:
        """True if trees are kept under this very key."""
        file = self._folder / "key"
        return file.is_file() and file.read_text() == key

    def age(self) -> float:
        """Seconds since the trees were kept."""
        return time.time() - (self._folder / "key").stat().st_mtime

    def restore(self, trees: dict[str, Path]) -> None:
        """Puts every kept tree back to where it belongs, in place of what is there."""
        for name, target in trees.items():
            copy(self._folder / name, target)

    def keep(self, key: str, trees: dict[str, Path]) -> None:
        """Keeps trees under a key, in place of those kept before. The key is written last."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        for name, source in trees.items():
            copy(source, self._folder / name)
        (self._folder / "key").write_text(key)


def copy(source: Path, target: Path) -> None:
    """Copies a tree with its times and links to `target`, replacing what is there."""
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", "--", str(source), str(target)], check=True)
