"""The jar that a build made to be run: `jars.py FOLDER` prints "KIND PATH", KIND being plain or spring-boot.

Nothing is printed when no jar of the folder has a main class, or several have: then the app has to say.
"""

from __future__ import annotations

import shlex
import sys
import zipfile
from pathlib import Path

_MAX_MANIFEST_BYTES = 1 << 20
# What build tools put beside the jar that is meant.
_BESIDE = ("-sources.jar", "-javadoc.jar", "-tests.jar", "-plain.jar")


def runnable(folder: Path) -> list[tuple[str, Path]]:
    """The jars with a main class, each with its kind, in the order of their names."""
    found = []
    for path in sorted(folder.glob("*.jar")):
        if path.name.endswith(_BESIDE) or path.name.startswith("original-") or not path.is_file():
            continue
        manifest = attributes(_manifest(path))
        if "Main-Class" in manifest:
            found.append(("spring-boot" if "Spring-Boot-Version" in manifest else "plain", path))
    return found


def attributes(manifest: str) -> dict[str, str]:
    """The main attributes of a manifest; lines of more than 72 bytes are continued by a space."""
    main = manifest.replace("\r\n", "\n").replace("\r", "\n").partition("\n\n")[0]
    lines = main.replace("\n ", "").split("\n")
    return {name: value.strip() for name, found, value in (line.partition(":") for line in lines) if found}


def _manifest(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as jar, jar.open("META-INF/MANIFEST.MF") as stream:
            return stream.read(_MAX_MANIFEST_BYTES).decode(errors="replace")
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError):
        return ""


if __name__ == "__main__":
    jars = runnable(Path(sys.argv[1]))
    if len(jars) == 1:
        kind, jar = jars[0]
        print(kind, shlex.quote(str(jar)))
