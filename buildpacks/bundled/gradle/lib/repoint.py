"""Lets Debian's Gradle run from another place than /usr: `repoint.py TREE`.

Three paths stand in its classes as constants: its own folder, that of Debian's jars, and that of Debian's Maven
repository. In a build these must be the unpacked packages, not what the server happens to have.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path

_PATHS = ("/usr/share/gradle", "/usr/share/java", "/usr/share/maven-repo")
_UTF8 = 1
"""The tag of a text in a class file's constant pool (Java Virtual Machine Specification 4.4.7)."""


def repoint(content: bytes, root: str) -> bytes:
    """A class file in which constants that are one of the paths lie below *root*."""
    for path in _PATHS:
        content = content.replace(_constant(path), _constant(root + path))
    return content


def repoint_jar(jar: Path, root: str) -> bool:
    """Rewrites the jar if a class in it names one of the paths; says whether it did."""
    with zipfile.ZipFile(jar) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    changed = [(entry, repoint(content, root)) for entry, content in entries]
    if changed == entries:
        return False
    fresh = jar.with_name(jar.name + ".new")
    with zipfile.ZipFile(fresh, "w") as archive:
        for entry, content in changed:
            archive.writestr(entry, content)
    fresh.replace(jar)
    return True


def _constant(text: str) -> bytes:
    encoded = text.encode("ascii")
    return struct.pack(">BH", _UTF8, len(encoded)) + encoded


if __name__ == "__main__":
    tree = sys.argv[1]
    for found in sorted(Path(tree, "usr/share/java").glob("gradle-*.jar")):
        if not found.is_symlink():
            repoint_jar(found, tree)
