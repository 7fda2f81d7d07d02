"""Reading the fields of a manifest: what was found, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

_LONGEST = 60


@dataclass(slots=True)
class Notes:
    """What is wrong, and what is passed over."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, place: str, what: str) -> None:
        """A field is wrong; `what` says what would be right."""
        self.problems.append(f"{place} {what}")

    def warn(self, what: str) -> None:
        """Something means nothing here."""
        self.warnings.append(what)

    def unknown(self, found: Collection[str], known: Collection[str], place: str, quiet: Collection[str] = ()) -> None:
        """Warn of fields that nobody knows."""
        for name in found:
            if name not in known and name not in quiet:
                self.warn(f'{place} has no field "{shown(name)}": it is passed over. It has: {", ".join(known)}')


def shown(name: str) -> str:
    """A name that somebody wrote, fit for one line of a transcript."""
    written = name.encode("unicode_escape").decode() if not name.isprintable() else name
    return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}..."


def text_of(value: Any, place: str, notes: Notes) -> str | None:
    """A text, or None for none."""
    if value is not None and not isinstance(value, str):
        example = f': write "{value}"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
        notes.refuse(place, f"must be a text, in quotes{example}")
        return None
    if value is not None and "\0" in value:
        notes.refuse(place, "has a NUL character in it, which no text here can have")
        return None
    return value


def flag_of(value: Any, place: str, notes: Notes, *, default: bool) -> bool:
    """True or false; the default for none."""
    if value is None:
        return default
    if not isinstance(value, bool):
        notes.refuse(place, "must be true or false")
        return default
    return value


def whole_of(value: Any, place: str, notes: Notes) -> int | None:
    """A whole number from 0, or None for none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        notes.refuse(place, "must be a whole number from 0")
        return None
    return value


def object_of(value: Any, place: str, form: str, notes: Notes) -> dict[str, Any]:
    """An object; an empty one for what is none."""
    if isinstance(value, dict):
        return value
    notes.refuse(place, f"must be an object: {form}")
    return {}
