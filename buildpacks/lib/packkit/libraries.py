"""Shared libraries of the stack that a slug needs: taken along, so that it runs without them being installed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packkit.commands import ask
from packkit.say import BuildError

BASE = re.compile(
    r"(linux-vdso|ld-linux[^/]*|lib(c|m|dl|rt|pthread|util|resolv|nsl|anl|mvec|BrokenLocale|thread_db|gcc_s|stdc\+\+))\.so\.[\d.]+"
)
"""What every stack has, because apt itself needs it: glibc's libraries and gcc's run-time."""

_LINE = re.compile(r"\s+(\S+) => (/\S+) \(0x")
_FILES_AT_ONCE = 200


def take_along(
    programs: Sequence[Path], files: Iterable[Path], folder: Path, *, build: Path, env: Mapping[str, str]
) -> list[str]:
    """Copies libraries that `programs` and `files` find outside of `build`, but BASE, to `folder`; returns their names.

    The programs learn to look there first, for themselves and for all that they open: an RPATH of a main program
    counts for whatever it loads. `folder` lies in the prefix of the programs, as `lib/x` beside `bin/y`.
    """
    found = {
        name: path
        for name, path in resolved([*programs, *files], env=env).items()
        if not BASE.fullmatch(name) and build.resolve() not in path.parents
    }
    if not found:
        return []
    if shutil.which("patchelf", path=env.get("PATH")) is None:
        raise BuildError("The platform has no patchelf, which its buildpacks need. Tell the server's admin.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in found.items():
        shutil.copy(path, folder / name)
    for program in programs:
        rpath = f"$ORIGIN/{os.path.relpath(folder, program.parent)}"
        if rpath not in ask(["patchelf", "--print-rpath", program], env=env, cwd=build):
            ask(["patchelf", "--force-rpath", "--add-rpath", rpath, program], env=env, cwd=build)
    return sorted(found)


def resolved(files: Iterable[Path], *, env: Mapping[str, str]) -> dict[str, Path]:
    """Which libraries the loader finds for these programs and libraries, those of libraries too: name to file."""
    found: dict[str, Path] = {}
    elves = [file for file in files if is_elf(file)]
    for start in range(0, len(elves), _FILES_AT_ONCE):
        # ldd ends with status 1 when one of the files is no dynamic program: what it says of the others counts.
        argv = ["sh", "-c", 'ldd -- "$@" 2>/dev/null; true', "ldd", *map(str, elves[start : start + _FILES_AT_ONCE])]
        for name, path in _LINE.findall(ask(argv, env=env, cwd=Path("/"))):
            found[name] = Path(path).resolve()
    return found


def is_elf(file: Path) -> bool:
    """True for an ordinary file that begins as programs and libraries do."""
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def loadable(folder: Path, *suffixes: str) -> list[Path]:
    """The files below a folder whose names look like shared libraries, or end in one of `suffixes`."""
    return sorted(
        file for file in folder.rglob("*") if ".so" in file.suffixes or (suffixes and file.name.endswith(suffixes))
    )
