"""Which of an app's lines a reader wants. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from hostd.errors import Invalid
from hostd.logplex.lines import Line
from hostd.logplex.names import check_count, is_one_of, is_process

MOST_VALUES = 64
"""Beyond so many values of a field journald's index is slower than looking at every entry."""
WITHOUT = "-"
"""In front of a process: all but this."""

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")


class Pattern(Protocol):
    """What is needed of `patterns.Pattern`."""

    def matches(self, text: bytes) -> bool:
        """Whether it is found in the text."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines a session shows: those of `app`, of the source, of any of `only` and none of `without`.

    A process is a dyno (`web.1`), a type (`web`, which is all its dynos) or a component (`router`, `api`). `request_id`
    has to stand in the text.
    """

    app: str
    source: str | None = None
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    request_id: str | None = None
    pattern: Pattern | None = field(default=None, compare=False)

    def accepts(self, line: Line) -> bool:
        """True if the line is wanted, an entry of several rows as a whole. Raises what the pattern raises."""
        if line.about is not None:
            return self._misses(line, line.about)
        return (
            line.app == self.app
            and self.source in (None, line.source)
            and (not self.only or is_one_of(line.process, self.only))
            and not (self.without and is_one_of(line.process, self.without))
            and self._finds(line.message)
        )

    def _misses(self, line: Line, dyno: str) -> bool:
        """Whether to tell of lines of a dyno that were dropped: to who may have wanted them, or asked for such news."""
        asked = self.source in (None, line.source) and is_one_of(line.process, self.only)
        return (
            (asked or not self.only or is_one_of(dyno, self.only))
            and not is_one_of(line.process, self.without)
            and not is_one_of(dyno, self.without)
            and self._finds(line.message)
        )

    def _finds(self, text: bytes) -> bool:
        return (self.request_id is None or self.request_id.encode() in text) and (
            self.pattern is None or self.pattern.matches(text)
        )

    @property
    def narrows(self) -> bool:
        """Whether any of the app's lines are left out."""
        return any((self.source, self.only, self.without, self.request_id, self.pattern))

    @property
    def has_index(self) -> bool:
        """Whether the journal's index can tell some of what is wanted."""
        return any((self.source, self.only, self.without))

    def matches(self, processes: Callable[[], Collection[str]]) -> dict[str, tuple[str, ...]]:
        """What of this the index of the app's journal can do; `processes` tells all that ever wrote to it."""
        fields: dict[str, tuple[str, ...]] = {}
        if self.source is not None:
            fields["HOSTD_SOURCE"] = (self.source,)
        if self.only or self.without:
            wanted = tuple(sorted(name for name in processes() if self._wants(name)))
            if len(wanted) <= MOST_VALUES:
                # A field without values would not narrow anything: nobody is called so.
                fields["HOSTD_PROCESS"] = wanted or self.only or ("",)
        return fields

    def _wants(self, process: str) -> bool:
        known = is_process(process)  # what else is there was sent by somebody who lies
        return (
            known
            and (not self.only or is_one_of(process, self.only))
            and not is_one_of(process, self.without)
        )


def parted(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Processes as users write them, into those that are wanted and those that are not (`-router`).

    One text may name several (`web,worker`). Raises Invalid for what cannot be a process.
    """
    only: dict[str, None] = {}
    without: dict[str, None] = {}
    for name in (part.strip() for text in names for part in text.split(",")):
        bare = name.removeprefix(WITHOUT)
        if not is_process(bare):
            raise Invalid(
                f"{name!r} is not a process. A dyno is one (web.1), a process type (web), or a part of the platform "
                "(router, api); with a dash in front, all but that (-router)."
            )
        (without if name.startswith(WITHOUT) else only)[bare] = None
    check_count([*only, *without])
    return tuple(only), tuple(without)


def checked_request_id(text: str | None) -> str | None:
    """The id of a request, if it can be one; raises Invalid."""
    if text is not None and not _REQUEST_ID.fullmatch(text):
        raise Invalid(f"{text[:60]!r} is not the id of a request: request_id= in the router's lines shows them.")
    return text
