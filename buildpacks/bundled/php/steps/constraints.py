"""Composer's constraints on versions, as far as they are about PHP itself. Pure.

Source: https://getcomposer.org/doc/articles/versions.md
"""

from __future__ import annotations

import re
from collections.abc import Callable

Version = tuple[int, ...]

_HYPHEN = re.compile(r"v?(\d[\d.]*)\s+-\s+v?(\d[\d.]*)")
_PART = re.compile(r"(\^|~|>=|<=|!=|<>|==?|>|<)?\s*v?(\d+(?:\.\d+)*|\*)((?:\.[*xX])*)(?:[-@+][\w.]+)?")


def satisfies(version: Version, constraint: str) -> bool:
    """Whether a version meets a constraint such as `^8.1 || >=9 <10`; ValueError when it is none."""
    return any([_meets_all(version, part.strip()) for part in re.split(r"\|\|?", constraint)])


def numbers(version: str) -> Version:
    """The numbers of a version: (8, 2, 36) of 8.2.36."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


# Helpers


def _meets_all(version: Version, constraint: str) -> bool:
    if hyphen := _HYPHEN.fullmatch(constraint):
        low, high = numbers(hyphen[1]), numbers(hyphen[2])
        return version >= low and (version[: len(high)] <= high if len(high) < 3 else version <= high)
    parts = re.findall(r"(?:[\^~<>=!]+\s*)?[^\s,<>=!^~]+", constraint)
    if not parts or "".join(parts).replace(" ", "") != re.sub(r"[\s,]", "", constraint):
        raise ValueError(constraint)
    return all([_meets(version, part) for part in parts])


def _meets(version: Version, part: str) -> bool:
    found = _PART.fullmatch(part)
    if not found:
        raise ValueError(part)
    operator, text, wildcard = found[1] or "=", found[2], bool(found[3])
    if text == "*":
        return True
    wanted = numbers(text)
    if wildcard:
        return version[: len(wanted)] == wanted
    return _OPERATORS[operator](version, wanted)


def _padded(wanted: Version) -> Version:
    return (*wanted, 0, 0, 0)[:3]


def _caret(version: Version, wanted: Version) -> bool:
    fixed = next((index for index, number in enumerate(wanted) if number), len(wanted) - 1) + 1
    return version >= _padded(wanted) and version[:fixed] == wanted[:fixed]


def _tilde(version: Version, wanted: Version) -> bool:
    fixed = max(1, len(wanted) - 1)
    return version >= _padded(wanted) and version[:fixed] == wanted[:fixed]


_OPERATORS: dict[str, Callable[[Version, Version], bool]] = {
    "^": _caret,
    "~": _tilde,
    ">=": lambda version, wanted: version >= _padded(wanted),
    ">": lambda version, wanted: version > _padded(wanted),
    "<=": lambda version, wanted: version <= _padded(wanted),
    "<": lambda version, wanted: version < _padded(wanted),
    "!=": lambda version, wanted: version != _padded(wanted),
    "<>": lambda version, wanted: version != _padded(wanted),
    "=": lambda version, wanted: version == _padded(wanted),
    "==": lambda version, wanted: version == _padded(wanted),
}
