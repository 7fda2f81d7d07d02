"""Makes a tree of unpacked Debian packages work where it lies, for `debs.sh`.

Packages are made for `/`. In a tree at another place their symbolic links, the first lines of their scripts,
their pkg-config files and the paths at which programs look for libraries have to name that place. Runs in a
build as `python3 -I relocate.py TREE BASE_FILES`, with nothing but the standard library, and calls patchelf;
BASE_FILES is a file with the paths of all that the stack's own base packages have, one a line.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders that are links into `/usr` on Debian 12 and later, in the tree as well."""

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_EXECUTABLE, _SHARED = 2, 3
_SHEBANG = re.compile(rb"#![ \t]*(/(?:usr/)?s?bin/([^\s/]+))")
_FIRST_LINE_MAX = 255
_PATCHELF_FILES = 200


@dataclass(frozen=True)
class Elf:
    """A dynamically linked file: its path in the tree, whether it is a program, and how it finds libraries."""

    path: str
    program: bool
    needed: tuple[str, ...]
    search: tuple[str, ...]


@dataclass(frozen=True)
class Libraries:
    """The shared libraries of a tree: the folders that the loader knows, and the folders of each file name."""

    usual: tuple[str, ...]
    folders: dict[str, tuple[str, ...]]


def merged(path: str) -> str:
    """An absolute path as it is on a system whose `/bin`, `/lib` and so on are links into `/usr`."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return f"/usr{clean}" if clean.split("/")[1] in MERGED else clean


def link_target(link: str, target: str, tree: str, has: Callable[[str], bool], base: Callable[[str], bool]) -> str:
    """Where a symbolic link should point. `link` is its path in the tree, as if that were `/`.

    `has` says whether the tree has a path, `base` whether the stack's base does. What only the base has is
    pointed to there; anything else stays inside, even if nothing is there.
    """
    meant = merged(target if target.startswith("/") else posixpath.join(posixpath.dirname(merged(link)), target))
    if not has(meant) and base(meant):
        return meant
    if target.startswith("/"):
        return posixpath.relpath(meant, posixpath.dirname(merged(link)))
    return target


def first_line(content: bytes, tree: str, has: Callable[[str], bool]) -> bytes | None:
    """A script's beginning with the interpreter of the tree in place of the machine's; None: as it was."""
    found = _SHEBANG.match(content)
    if not found or found[2] == b"env":
        return None
    interpreter = merged(os.fsdecode(found[1]))
    if not has(interpreter):
        return None
    line, newline, rest = content.partition(b"\n")
    changed = b"#!" + os.fsencode(tree + interpreter) + line[found.end() :]
    return None if len(changed) > _FIRST_LINE_MAX else changed + newline + rest


def package_config(content: str, tree: str) -> str:
    """A pkg-config file whose variables and flags name the tree instead of `/usr`."""
    return re.sub(r"(?<![\w}/.-])(-[IL])?/usr(?=/|\s|$)", rf"\g<1>{tree}/usr", content)


def read_elf(content: bytes, path: str) -> Elf | None:
    """What an ELF file says; None for anything else and for what is not dynamically linked."""
    try:
        return _read_elf(content, path)
    except (struct.error, IndexError, ValueError):
        return None


def search_path(elf: Elf, libraries: Libraries, tree: str) -> str | None:
    """The RPATH that a file should have; None: it needs none of its own.

    A program's RPATH also holds for the libraries that it loads, unless those have a path of their own. So
    only programs, libraries with a path, and those that need a library from an unusual folder get one.
    """
    own = [_moved(entry, tree) for entry in elf.search if entry]
    private = [tree + folder for folder in _private(elf, libraries)]
    if not (elf.program or own or private):
        return None
    return ":".join(dict.fromkeys([*own, *(tree + folder for folder in libraries.usual), *private]))


def relocate(tree: Path, base_files: Iterable[str]) -> None:
    """Changes a whole tree in place. Raises OSError and subprocess.CalledProcessError."""
    base = frozenset(merged(path) for path in base_files)
    place = str(tree)

    def has(path: str) -> bool:
        return os.path.lexists(place + path)

    files = list(_walk(tree))
    for path in files:
        name = "/" + str(path.relative_to(tree))
        if path.is_symlink():
            _relink(path, link_target(name, str(path.readlink()), place, has, base.__contains__))
        elif path.suffix == ".pc":
            _rewrite(path, package_config(path.read_text("utf-8", "surrogateescape"), place))
    _relocate_files(tree, [path for path in files if not path.is_symlink()], has)


# Helpers


def _relocate_files(tree: Path, files: Sequence[Path], has: Callable[[str], bool]) -> None:
    elves, shared = [], []
    for path in files:
        with path.open("rb") as opened:
            start = opened.read(4)
        if start == b"\x7fELF" and (elf := read_elf(path.read_bytes(), "/" + str(path.relative_to(tree)))):
            elves.append(elf)
        elif start[:2] == b"#!" and (changed := first_line(path.read_bytes(), str(tree), has)) is not None:
            _rewrite(path, changed)
    shared = [path for path in _walk(tree) if ".so" in path.name]
    libraries = _libraries(tree, shared)
    paths = [(search, elf.path) for elf in elves if (search := search_path(elf, libraries, str(tree)))]
    for search, group in groupby(sorted(paths), key=lambda pair: pair[0]):
        _patch(search, [str(tree) + path for _, path in group])


def _patch(search: str, files: list[str]) -> None:
    for path in files:
        Path(path).chmod(Path(path).stat().st_mode | stat.S_IWUSR)
    for start in range(0, len(files), _PATCHELF_FILES):
        some = files[start : start + _PATCHELF_FILES]
        subprocess.run(["patchelf", "--force-rpath", "--set-rpath", search, *some], check=True)


def _libraries(tree: Path, shared: Iterable[Path]) -> Libraries:
    folders: dict[str, list[str]] = {}
    for path in shared:
        folders.setdefault(path.name, []).append("/" + str(path.parent.relative_to(tree)))
    every = {folder for some in folders.values() for folder in some}
    return Libraries(tuple(filter(_usual, sorted(every, key=lambda name: (-len(name), name)))), _sorted(folders))


def _sorted(folders: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted(some, key=lambda folder: (len(folder), folder))) for name, some in folders.items()}


def _usual(folder: str) -> bool:
    """Whether the dynamic loader looks there by itself, on a system whose root the tree is."""
    return re.fullmatch(r"/usr(/local)?/lib(/[^/]+-linux-gnu[^/]*)?", folder) is not None


def _private(elf: Elf, libraries: Libraries) -> list[str]:
    """The unusual folders with libraries that a file needs and that no usual folder has."""
    found = []
    for name in elf.needed:
        folders = libraries.folders.get(name, ())
        if folders and not set(folders) & set(libraries.usual):
            found.append(folders[0])
    return list(dict.fromkeys(found))


def _moved(entry: str, tree: str) -> str:
    inside = entry.startswith("/") and not entry.startswith(tree + "/")
    return tree + merged(entry) if inside else entry


def _read_elf(content: bytes, path: str) -> Elf | None:
    wide, order = content[4] == 2, "<" if content[5] == 1 else ">"
    kind = struct.unpack_from(order + "H", content, 16)[0]
    if content[:4] != b"\x7fELF" or kind not in (_EXECUTABLE, _SHARED):
        return None
    table, size, count = struct.unpack_from(order + ("Q14xHH" if wide else "I10xHH"), content, 32 if wide else 28)
    segments = [_segment(content, table + index * size, wide, order) for index in range(count)]
    dynamic = next((part for part in segments if part[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        return None
    entries = list(_dynamic_entries(content, dynamic[1], dynamic[3], wide, order))
    strings = _file_offset(next(value for tag, value in entries if tag == _DT_STRTAB), segments)
    text = [(tag, _string(content, strings + value)) for tag, value in entries if tag in _TEXT_TAGS]
    search = [entry for tag, value in text if tag != _DT_NEEDED for entry in value.split(":")]
    return Elf(
        path,
        any(part[0] == _PT_INTERP for part in segments),
        tuple(value for tag, value in text if tag == _DT_NEEDED),
        tuple(search),
    )


_TEXT_TAGS = (_DT_NEEDED, _DT_RPATH, _DT_RUNPATH)


def _segment(content: bytes, at: int, wide: bool, order: str) -> tuple[int, int, int, int]:
    """Kind, offset in the file, address and size in the file of a segment."""
    if wide:
        kind, offset, address, size = struct.unpack_from(order + "I4xQQ8xQ", content, at)
    else:
        kind, offset, address, size = struct.unpack_from(order + "III4xI", content, at)
    return kind, offset, address, size


def _dynamic_entries(content: bytes, at: int, size: int, wide: bool, order: str) -> Iterator[tuple[int, int]]:
    form = struct.Struct(order + ("qQ" if wide else "iI"))
    for tag, value in form.iter_unpack(content[at : at + size // form.size * form.size]):
        if tag == 0:
            return
        yield tag, value


def _file_offset(address: int, segments: Iterable[tuple[int, int, int, int]]) -> int:
    for kind, offset, start, size in segments:
        if kind == _PT_LOAD and start <= address < start + size:
            return address - start + offset
    raise ValueError(f"no segment has the address {address:#x}")


def _string(content: bytes, at: int) -> str:
    return os.fsdecode(content[at : content.index(b"\0", at)])


def _walk(tree: Path) -> Iterator[Path]:
    """All links and regular files of a tree."""
    for folder, folders, names in os.walk(tree):
        for name in [*names, *folders]:
            path = Path(folder, name)
            if path.is_symlink() or (name in names and path.is_file()):
                yield path


def _relink(path: Path, target: str) -> None:
    if str(path.readlink()) != target:
        path.unlink()
        path.symlink_to(target)


def _rewrite(path: Path, content: bytes | str) -> None:
    path.chmod(path.stat().st_mode | stat.S_IWUSR)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    relocate(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").splitlines())
