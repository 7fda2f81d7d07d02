"""A dyno's environment, and the file through which systemd reads it.

Values go through ``EnvironmentFile=``, readable by root only: ``Environment=`` of a unit can be read
by every local user over D-Bus.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from hostd.manager.dyno import DynoId

COMMAND = "HOSTD_COMMAND"
"""Tells a dyno's launcher what to run, and is not passed on.

As an argument it would be in the unit's own file, which systemd 252 reads back wrongly: after the next daemon-reload
`$PORT` is `\\$\\$PORT`, and that is what it would start when the dyno has crashed and no hostd is there.
"""

QUOTED = "HOSTD_QUOTED_"
"""Begins the name under which a dyno's launcher finds a value that systemd would not read, as printf's %b takes it."""

# Code points that are for no interchange (Unicode, 23.7), which systemd calls invalid UTF-8. Heroku's own CLI sends one
# in the command of `run --exit-code`.
_NONCHARACTERS = "".join(chr(0x10000 * plane + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_UNREAD = re.compile(f"[\ufdd0-\ufdef{_NONCHARACTERS}]")
_OCTAL = re.compile(r"(?:\\0[0-7]{3})+")
_ESCAPED = re.compile(r'([\\"`$])')
_LINE = re.compile(r'(?P<key>[^=\n]+)="(?P<value>(?:\\.|[^"\\])*)"\n', re.DOTALL)


def environment(
    dyno: DynoId, config: Mapping[str, str], extra: Mapping[str, str] | None = None, *, memory: int
) -> dict[str, str]:
    """The variables of a dyno: config vars, then those the caller adds, then those of the platform.

    `memory` is the dyno's quota in bytes. It is told as DYNO_RAM in MB, the name that Heroku's buildpacks use: what
    the kernel tells is the limit at which the dyno is killed. A config var of the name comes before it.
    """
    return {
        "DYNO_RAM": str(memory >> 20),
        # The name that the dyno's own /etc/passwd has; systemd would say the host's.
        "USER": "app",
        "LOGNAME": "app",
        **config,
        **(extra or {}),
        "PORT": str(dyno.place.port),
        "DYNO": dyno.name,
        "PS": dyno.name,
        "HOME": "/app",
        "HOSTD_RELEASE": f"v{dyno.version}",
    }


def render(variables: Mapping[str, str]) -> str:
    """Write *variables* in the syntax of ``EnvironmentFile=`` (systemd.exec(5)): quoted, escaped, one a line."""
    lines = []
    for key, value in sorted(variables.items()):
        name, text = (f"{QUOTED}{key}", _quoted(value)) if _UNREAD.search(value) else (key, value)
        lines.append(f'{name}="{_escape(text)}"\n')
    return "".join(lines)


def parse(text: str) -> dict[str, str]:
    """What :func:`render` wrote, read back."""
    found = {}
    for match in _LINE.finditer(text):
        key, value = match["key"], re.sub(r"\\(.)", r"\1", match["value"], flags=re.DOTALL)
        found[key.removeprefix(QUOTED)] = _unquoted(value) if key.startswith(QUOTED) else value
    return found


class EnvironmentFiles:
    """The root-only directory of environment files, one for each unit."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, unit: str, variables: Mapping[str, str]) -> Path:
        """Write the file of *unit* and return its path."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(unit)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(render(variables))
        return path

    def read(self, unit: str) -> dict[str, str]:
        """The variables that *unit* was started with; none if it has no file."""
        try:
            return parse(self._path(unit).read_text())
        except FileNotFoundError:
            return {}

    def remove(self, unit: str) -> None:
        """Remove the file of *unit*, if there is one."""
        self._path(unit).unlink(missing_ok=True)

    def units(self) -> list[str]:
        """The units that have a file."""
        if not self._directory.is_dir():
            return []
        return [path.name.removesuffix(".env") for path in self._directory.iterdir() if path.suffix == ".env"]

    def _path(self, unit: str) -> Path:
        return self._directory / f"{unit}.env"


def _quoted(value: str) -> str:
    return _UNREAD.sub(lambda found: _octal(found[0]), value.replace("\\", _octal("\\")))


def _octal(text: str) -> str:
    return "".join(f"\\0{byte:03o}" for byte in text.encode())


def _unquoted(value: str) -> str:
    def plain(found: re.Match[str]) -> str:
        return bytes(int(number, 8) for number in found[0].split("\\0")[1:]).decode()

    return _OCTAL.sub(plain, value)


def _escape(value: str) -> str:
    return _ESCAPED.sub(r"\\\1", value)
