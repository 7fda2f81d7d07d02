"""The names by which lines are chosen, of a log or for a drain: their sources, and the processes they are of. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from hostd.errors import Invalid

SOURCES = ("app", "heroku")
MOST_PROCESSES = 50

_PROCESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")


def checked_source(name: str | None) -> str | None:
    """The source, if it is one; raises Invalid."""
    if name is not None and name not in SOURCES:
        raise Invalid(f"There is no source {str(name)[:40]!r}: say app or heroku.")
    return name


def check_count(names: Collection[str]) -> None:
    """Raises Invalid for more processes than may be named at once."""
    if len(names) > MOST_PROCESSES:
        raise Invalid(f"These are more than {MOST_PROCESSES} processes.")


def is_process(name: str) -> bool:
    """Whether a process can be called so: a dyno (`web.1`), a type (`web`, all its dynos), a component (`router`)."""
    return _PROCESS.fullmatch(name) is not None


def is_one_of(process: str, names: Collection[str]) -> bool:
    """Whether one of the names is the process's, or its type's."""
    return process in names or process.partition(".")[0] in names
