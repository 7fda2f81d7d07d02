"""Reads what a buildpack's `bin/release` prints: a small YAML document.

Only the shape that buildpacks use is understood: a map of names to scalars, lists of scalars, or maps of
scalars. Anything else counts as nothing said, as on Heroku: a buildpack's `bin/release` may be missing,
empty or malformed, and the app runs all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from buildpacks.procfile import is_process_type

_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s:#'"\[{-][^:]*?)\s*:(?:\s+(.*))?$""")


@dataclass(frozen=True)
class Release:
    """What a buildpack suggests: commands by process type, config vars, add-ons, for an app's first deploy."""

    default_process_types: dict[str, str] = field(default_factory=dict)
    config_vars: dict[str, str] = field(default_factory=dict)
    addons: list[str] = field(default_factory=list)


def parse(content: bytes) -> Release:
    """The release information in a document; what is not understood is left out."""
    sections = _sections(_lines(content.decode(errors="replace")))
    types = _mapping(sections.get("default_process_types", []))
    return Release(
        default_process_types={name: command for name, command in types.items() if is_process_type(name)},
        config_vars=_mapping(sections.get("config_vars", [])),
        addons=[_scalar(line[1:].strip()) for line in sections.get("addons", []) if line.startswith("- ")],
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Indentation and text of each line that says something; the lines of a folded scalar are joined."""
    pending: tuple[int, str] | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#") or line in ("---", "...") or line.startswith("--- !"):
            continue
        indent = len(raw) - len(raw.lstrip(" "))
        if pending and indent > pending[0] > 0 and not line.startswith("- "):
            pending = (pending[0], f"{pending[1]} {line}")
            continue
        if pending:
            yield pending
        pending = (indent, line)
    if pending:
        yield pending


def _sections(lines: Iterator[tuple[int, str]]) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for indent, line in lines:
        if indent or line.startswith("- "):
            current.append(line)
        elif match := _KEY.match(line):
            current = sections.setdefault(_scalar(match[1]), [])
    return sections


def _mapping(lines: list[str]) -> dict[str, str]:
    matches = (_KEY.match(line) for line in lines)
    pairs = {_scalar(match[1]): _scalar((match[2] or "").strip()) for match in matches if match}
    return {key: value for key, value in pairs.items() if value}


def _scalar(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            # What no process can be given, and no ledger can hold.
            return str(json.loads(text)).encode(errors="replace").decode().replace("\0", "")
        except ValueError:
            return text[1:-1]
    return re.split(r"\s#", text, maxsplit=1)[0].strip()
