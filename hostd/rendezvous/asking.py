"""What a client says first: the secret of its `attach_url`, and how its terminal shall be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from hostd.errors import BadRequest

LONGEST = 512
"""Bytes of a first line."""
LARGEST_SIDE = 4096
"""Columns or lines that a terminal may have."""

# As `secrets.token_urlsafe(32)` makes them (manager/session.py): of one length, so that none needs a line end.
_ASKED = re.compile(rb"([A-Za-z0-9_-]{43})(?:\?([!-~]*))?(\r?\n|\Z)")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which session is meant; whether it has a terminal, and of which size (0: not known)."""

    token: str
    terminal: bool = True
    columns: int = 0
    lines: int = 0


def parse(said: bytes) -> tuple[Asked, bytes] | None:
    """The first line, and what came behind it for the dyno; None if more has to come.

    The official CLI ends the line with CR LF, heroku3 not at all. Raises BadRequest for what is no secret.
    """
    found = _ASKED.match(said)
    if found is None:
        if len(said) < 43 and b"\n" not in said:
            return None
        raise BadRequest("This is no secret of a session.")
    known = parse_qs((found[2] or b"").decode("ascii"))
    asked = Asked(
        found[1].decode("ascii"),
        terminal=known.get("tty") != ["no"],
        columns=_side(known.get("columns", [])),
        lines=_side(known.get("lines", [])),
    )
    return asked, said[found.end() :]


def address(host: str, port: int, token: str, env: Mapping[str, str], *, terminal: bool) -> str:
    """The `attach_url` for a session whose environment may say how large the client's terminal is."""
    known = {"tty": "no"} if not terminal else _sides(env)
    query = f"?{urlencode(known)}" if known else ""
    return f"rendezvous://{host}:{port}/{token}{query}"


def _sides(env: Mapping[str, str]) -> dict[str, str]:
    sides = {"columns": env.get("COLUMNS", ""), "lines": env.get("LINES", "")}
    return {name: value for name, value in sides.items() if _side([value])}


def _side(values: list[str]) -> int:
    text = values[0] if len(values) == 1 else ""
    side = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return side if side <= LARGEST_SIDE else 0
