"""Which Python an app asks for: where it may say so, and what satisfies it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packkit.say import BuildError

Version = tuple[int, ...]

_PLAIN = re.compile(r"(?:c?python[-@]?)?(\d{1,4}(?:\.\d{1,4}){0,2})(?:-\S+)?", re.IGNORECASE)
_CLAUSE = re.compile(
    r"\s*(~=|===?|!=|>=|<=|>|<|\^|~)?\s*v?(\d{1,4}(?:\.\d{1,4})*)(?:\.\*)?(?:[a-z+-][a-z0-9+.-]*)?\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class Asked:
    """A request for a version: `text` as it is written in `where`; a constraint, or else a version or its beginning."""

    text: str
    where: str
    constraint: bool = False

    def admits(self, version: Version) -> bool:
        """True if this version satisfies the request."""
        if self.constraint:
            return satisfies(self.text, version)
        wanted = numbers(self.text)
        return version[: len(wanted)] == wanted

    def best(self, versions: Iterable[Version]) -> Version | None:
        """The newest of these versions that satisfies the request."""
        return max(filter(self.admits, versions), default=None)


def asked(app: Path) -> Asked | None:
    """What the app asks for, by the first of runtime.txt, .python-version, Pipfile.lock and pyproject.toml that says.

    Raises BuildError for what cannot be understood.
    """
    for name in ("runtime.txt", ".python-version"):
        if (file := app / name).is_file():
            return _plain(file.read_text(errors="replace"), name)
    if (lock := app / "Pipfile.lock").is_file():
        requires = read_json(lock).get("_meta", {}).get("requires", {})
        if text := requires.get("python_full_version") or requires.get("python_version"):
            return _plain(str(text), "Pipfile.lock")
    if (project := app / "pyproject.toml").is_file():
        return _of_project(read_toml(project))
    return None


def satisfies(constraint: str, version: Version) -> bool:
    """True if a version satisfies a PEP 440 specifier, or one of Poetry's with ^, ~ and ||.

    Raises BuildError for one that cannot be understood.
    """
    return any(
        all(_clause(clause, version) for clause in alternative.split(",") if clause.strip())
        for alternative in constraint.split("||")
    )


def numbers(text: str) -> Version:
    """The numbers of a version: (3, 11, 2) for 3.11.2."""
    return tuple(int(part) for part in text.split("."))


def written(version: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def newest_of_each(versions: Iterable[Version]) -> list[Version]:
    """The newest release of each series, newest series first."""
    newest: dict[Version, Version] = {}
    for version in sorted(versions):
        newest[version[:2]] = version
    return sorted(newest.values(), reverse=True)


def read_toml(file: Path) -> dict[str, Any]:
    """A TOML file of the app; raises BuildError where it is malformed."""
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildError(f"{file.name} cannot be read: {error}.", "Correct it, commit, and push again.") from error


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object of the app; raises BuildError where it is malformed."""
    try:
        value = json.loads(file.read_text())
    except ValueError as error:
        raise BuildError(f"{file.name} cannot be read: {error}.", "Make it anew, commit, and push again.") from error
    return value if isinstance(value, dict) else {}


# Helpers


def _plain(content: str, where: str) -> Asked | None:
    lines = [line.partition("#")[0].strip() for line in content.lstrip("\ufeff").splitlines()]
    text = next((line for line in lines if line), "")
    if not text:
        return None
    if text[0] in "<>=~!^":
        satisfies(text, (3,))
        return Asked(text, where, constraint=True)
    if not (match := _PLAIN.fullmatch(text)):
        raise BuildError(
            f"{where} says {text[:60]!r}, which is not a version of Python that this buildpack has.",
            "Write a version such as 3.13 there, or 3.13.1 for exactly that release.",
        )
    return Asked(match[1], where)


def _of_project(project: dict[str, Any]) -> Asked | None:
    text = project.get("project", {}).get("requires-python")
    if text is None:
        text = project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
    if not isinstance(text, str) or text.strip() in ("", "*"):
        return None
    satisfies(text, (3,))
    return Asked(text, "pyproject.toml", constraint=True)


def _clause(clause: str, version: Version) -> bool:
    match = _CLAUSE.fullmatch(clause)
    if not match:
        raise BuildError(
            f"The version of Python that the app asks for, {clause.strip()[:60]!r}, cannot be understood.",
            "Write one such as >=3.11,<3.14.",
        )
    operator, wanted = match[1] or "==", numbers(match[2])
    if operator in ("==", "===", "!="):
        # Strictly, ==3.11 means 3.11.0 alone; nobody who writes it does.
        return (version[: len(wanted)] == wanted) is (operator != "!=")
    left, right = _padded(version), _padded(wanted)
    if operator in ("^", "~", "~="):
        fixed = _fixed(operator, wanted)
        return left >= right and left[:fixed] == right[:fixed]
    return {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}[operator]


def _fixed(operator: str, wanted: Version) -> int:
    """How many of the first numbers must stay as they are: ^3.11 keeps 3, ~3.11 keeps 3.11, ~=3.11 keeps 3."""
    if operator == "^":
        return 1
    return max(len(wanted) - 1, 1) if operator == "~=" else min(len(wanted), 2)


def _padded(version: Version) -> Version:
    return (*version, 0, 0, 0)[:3]
