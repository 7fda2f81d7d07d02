"""In which order the entries of a journal's files were written.

journald writes to one file at a time, and numbers what it writes. While the disk is full it writes to one in memory,
and from its next start on to that on the disk again: so files of several folders or numberings may take turns.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from units.cursors import Place
from units.journal_file import JournalFile
from units.journal_header import Header


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and what its beginning said."""

    path: Path
    header: Header


@dataclass(frozen=True, slots=True)
class Span:
    """Entries of a file that were written one after the other: the index of the first, and that behind the last."""

    found: Found
    start: int
    end: int


Open = Callable[[Found], JournalFile | None]
"""Opens a file that was found; None if it is gone."""


def chains(files: Iterable[Found]) -> list[list[Found]]:
    """The files that have entries by their folders and numberings, and in the order of their numbers."""
    found: dict[tuple[Path, bytes], list[Found]] = {}
    for file in files:
        if file.header.entries:
            found.setdefault((file.path.parent, file.header.numbering), []).append(file)
    return [sorted(files, key=lambda file: file.header.head) for files in found.values()]


def spans(files: Iterable[Found], read: Mapping[bytes, int], opened: Open) -> list[Span]:
    """What is in files, oldest first, without the entries that were read of each (by the file's id)."""
    unread = [file for file in files if file.header.entries > read.get(file.header.file_id, 0)]
    whole = [[_span(file, read.get(file.header.file_id, 0)) for file in chain] for chain in chains(unread)]
    if len(whole) < 2:
        return whole[0] if whole else []
    merge = _Merge([chain[::-1] for chain in whole], opened)
    try:
        return list(merge.all())
    finally:
        merge.close()


def lost(head: int, *known: int) -> int:
    """How many entries were in front of a file's first one, `head`, since those with the numbers `known`.

    One journald counts on over its numberings. Where its numbers are smaller than those known it has begun anew, at 1.
    """
    return head - 1 - max((number for number in known if number < head), default=0)


class _Merge:
    """Takes turns between chains of spans, each the other way round: the next one is its last."""

    def __init__(self, left: list[list[Span]], opened: Open) -> None:
        self._left = left
        self._open = opened
        self._files: dict[bytes, JournalFile | None] = {}

    def all(self) -> Iterable[Span]:
        while self._left:
            chain = self._oldest()
            span = chain.pop()
            others = [place for other in self._left if other is not chain and (place := self._begin(other)) is not None]
            end = min([span.end, *(self._until(span, place) for place in others)])
            if end < span.end:
                chain.append(Span(span.found, end, span.end))
            self._left = [chain for chain in self._left if chain]
            yield Span(span.found, span.start, end)

    def close(self) -> None:
        for file in self._files.values():
            if file is not None:
                file.close()

    def _oldest(self) -> list[Span]:
        """The chain that goes on; one that begins with a file which cannot be read is read first."""
        oldest, begin = self._left[0], self._begin(self._left[0])
        for chain in self._left[1:]:
            place = self._begin(chain)
            if begin is not None and (place is None or begin.is_behind(place)):
                oldest, begin = chain, place
        return oldest

    def _begin(self, chain: list[Span]) -> Place | None:
        span = chain[-1]
        with suppress(OSError):
            file = self._file(span)
            return None if file is None else file.place_of(span.start)
        return None

    def _until(self, span: Span, place: Place) -> int:
        """How far a span goes before an entry elsewhere: for one entry at least."""
        with suppress(OSError):
            file = self._file(span)
            if file is not None and file.place_of(span.end - 1).is_behind(place):
                file.seek_behind(place)
                return max(span.start + 1, file.position)
        return span.end

    def _file(self, span: Span) -> JournalFile | None:
        file_id = span.found.header.file_id
        if file_id not in self._files:
            self._files[file_id] = self._open(span.found)
        return self._files[file_id]


def _span(file: Found, start: int) -> Span:
    return Span(file, start, file.header.entries)
