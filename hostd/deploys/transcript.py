"""The words of a push, in the form Heroku's users know: arrows, seven spaces, exclamation marks."""

from __future__ import annotations

from collections.abc import Iterable

_DETAIL = b"       "


def step(text: str) -> bytes:
    """A heading: ``-----> text``."""
    return f"-----> {text}\n".encode()


def detail(text: str) -> bytes:
    """A line below a heading, behind seven spaces."""
    return _DETAIL + f"{text}\n".encode()


class Indent:
    """Sets output that comes in pieces behind seven spaces, wherever the pieces are cut."""

    def __init__(self) -> None:
        self._at_line_start = True

    def __call__(self, piece: bytes) -> bytes:
        """The piece, each of its lines behind seven spaces."""
        lead = _DETAIL if self._at_line_start else b""
        self._at_line_start = piece.endswith(b"\n")
        end = b"\n" if self._at_line_start else b""
        return lead + piece.removesuffix(b"\n").replace(b"\n", b"\n" + _DETAIL) + end

    def end(self) -> bytes:
        """What is missing to the end of the line."""
        return b"" if self._at_line_start else b"\n"


def problem(text: str) -> bytes:
    """What went wrong: every line behind `` !     ``."""
    return "".join(f" !     {line}\n" for line in text.splitlines() or [""]).encode()


def quoted(lines: Iterable[str]) -> bytes:
    """Lines of a log, set off below a problem."""
    return "".join(f" !       {line}\n" for line in lines).encode()
