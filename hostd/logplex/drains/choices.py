"""Which of an app's lines a drain gets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hostd.errors import Invalid
from hostd.logplex.names import check_count, checked_source, is_one_of, is_process


@dataclass(frozen=True, slots=True)
class Choice:
    """Lines of one source (None: of both), of these processes (none: of all) and not of the excluded ones.

    A process is a dyno (`web.1`), a process type (`web`) or a component (`router`).
    """

    source: str | None = None
    processes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def accepts(self, source: str, process: str, about: str | None = None) -> bool:
        """Whether the drain gets a line; one that says what was lost of a dyno, also if it gets the dyno's."""
        if about is not None:
            left_out = is_one_of(process, self.excluded) or is_one_of(about, self.excluded)
            return not left_out and (self.accepts("app", about) or self.accepts(source, process))
        if self.source not in (None, source):
            return False
        return (not self.processes or is_one_of(process, self.processes)) and not is_one_of(process, self.excluded)

    def to_json(self) -> dict[str, Any]:
        """As the API shows it, and `choice` reads it."""
        return {"source": self.source, "processes": list(self.processes), "excluded": list(self.excluded)}


def choice(value: Mapping[str, Any]) -> Choice:
    """A choice from JSON; raises Invalid."""
    if unknown := sorted(set(value) - {"source", "processes", "excluded"}):
        raise Invalid(f"There is no filter {str(unknown[0])[:40]!r}. There are: source, processes, excluded.")
    return Choice(checked_source(value.get("source")), _names(value, "processes"), _names(value, "excluded"))


def _names(value: Mapping[str, Any], field: str) -> tuple[str, ...]:
    names: Sequence[Any] = value.get(field) or []
    if not isinstance(names, list) or not all(isinstance(name, str) and is_process(name) for name in names):
        raise Invalid(f"The filter {field} is a list of dynos and process types: web.1, web, router.")
    check_count(names)
    return tuple(dict.fromkeys(names))
