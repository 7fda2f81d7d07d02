"""The words of a push, in the form Heroku's users know: arrows, seven spaces, exclamation marks."""

from __future__ import annotations

from collections.abc import Iterable


def step(text: str) -> bytes:
    """A heading: ``-----> text``."""
    return f"-----> {text}\n".encode()


def detail(text: str) -> bytes:
    """A line below a heading, behind seven spaces."""
    return f"       {text}\n".encode()


def problem(text: str) -> bytes:
    """What went wrong: every line behind `` !     ``."""
    return "".join(f" !     {line}\n" for line in text.splitlines() or [""]).encode()


def quoted(lines: Iterable[str]) -> bytes:
    """Lines of a log, set off below a problem."""
    return "".join(f" !       {line}\n" for line in lines).encode()


def size(count: int) -> str:
    """A size as Heroku writes it: ``66K``, ``42.1M``, ``1.2G``."""
    for unit, factor in (("G", 1024**3), ("M", 1024**2)):
        if count >= factor:
            return f"{count / factor:.1f}{unit}"
    return f"{max(1, round(count / 1024))}K"
