"""Masking: what of a request's target is kept out of the log. Pure."""

from __future__ import annotations

from collections.abc import Set
from urllib.parse import unquote_to_bytes


def normal_name(name: str) -> str:
    """The name of a query parameter as it is compared."""
    return name.strip().casefold()


def masked(target: bytes, names: Set[str]) -> bytes:
    """A target with `[masked]` for the value of each query parameter of these (normal) names, however they are encoded.

    A name stands for its lists and tables too (`token[]`, `token[a]`). Some servers part parameters by `;` too, so
    that is looked at; where they do not it is part of the value, which is masked as a whole.
    """
    path, mark, query = target.partition(b"?")
    return path + mark + b"&".join(_masked(part, names) for part in query.split(b"&")) if mark else target


def _masked(part: bytes, names: Set[str]) -> bytes:
    pieces = part.split(b";")
    for number, piece in enumerate(pieces):
        name, equals, _ = piece.partition(b"=")
        if equals and not names.isdisjoint(_read(name)):
            return b";".join((*pieces[:number], name + b"=[masked]"))
    return part


def _read(name: bytes) -> tuple[str, str]:
    """What a name may be called: all of it, and what is before its brackets."""
    known = normal_name(unquote_to_bytes(name.replace(b"+", b" ")).decode(errors="replace"))
    return known, known.partition("[")[0].strip()
