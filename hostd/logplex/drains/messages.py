"""What drains send: messages of syslog (RFC 5424) in frames that begin with their length (RFC 6587). Pure.

Priorities and names are those of Heroku's logplex, so that what reads its drains reads these.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hostd.logplex.lines import Line, stamp, texts
from units.cursors import cursor_of

_LOCAL7, _LOCAL5, _LOCAL3, _SYSLOG = 23, 21, 19, 5
_INFO, _NOTICE, _WARNING = 6, 5, 4
_UNPRINTABLE = re.compile(r"[^!-~]")
HEAD_BYTES = 80
"""Of a message besides its text, about."""
LONGEST_PROCESS = 128
"""Characters of a PROCID (RFC 5424, section 6)."""


@dataclass(slots=True)
class Item:
    """One journal entry on its way to drains: one message or, of a text with line breaks, several.

    `place` is its cursor, or what it is made of; `size` is roughly what it takes on its way, in bytes. `about` is the
    dyno that lost lines, if that is what it says.
    """

    place: str | bytes
    microseconds: int
    source: str
    process: str
    texts: tuple[str, ...]
    size: int
    about: str | None = None

    @property
    def cursor(self) -> str:
        """Its place in the journal."""
        return cursor_of(self.place)

    @property
    def count(self) -> int:
        """How many messages it is."""
        return len(self.texts)


def item_of(line: Line) -> Item:
    """The messages of a line, as readers of the log see its text."""
    said = tuple(texts(line))
    size = sum(map(len, said)) + len(said) * HEAD_BYTES
    return Item(line.place, line.microseconds, line.source, line.process, said, size, line.about)


def overflow(lost: int, since: int, token: str = "") -> str:
    """Heroku's L10, for the drain itself or, with its token, for the app's log."""
    return (
        f"Error L10 (Drain buffer overflow) -> {f'Drain {token}' if token else 'This drain'} dropped {lost} "
        f"message{'s' * (lost != 1)} since {stamp(since)}."
    )


def syslog(items: Iterable[Item], token: str) -> bytes:
    """Frames for a syslog server: `97 <190>1 2026-01-27T10:48:08.123456+00:00 d.1b2c app web.1 - - text`."""
    return b"".join(_framed(item, token, "- - ", "") for item in items)


def logplex(items: Iterable[Item]) -> bytes:
    """The body of a batch (application/logplex-1): without structured data, and with a line feed, as Heroku's."""
    return b"".join(_framed(item, "host", "- ", "\n") for item in items)


def plain(items: Iterable[Item]) -> bytes:
    """Lines as `hostctl logs` shows them."""
    return "".join(
        f"{stamp(item.microseconds)} {item.source}[{item.process}]: {text}\n" for item in items for text in item.texts
    ).encode()


def export(items: Iterable[Item], app: str) -> bytes:
    """Entries in the journal's export format (systemd.io/JOURNAL_EXPORT_FORMATS)."""
    found: list[str] = []
    for item in items:
        place = dict(part.partition("=")[::2] for part in item.cursor.split(";"))
        monotonic = int(place.get("m", "0") or "0", 16)
        for text in item.texts:
            found.append(
                f"__REALTIME_TIMESTAMP={item.microseconds}\n__MONOTONIC_TIMESTAMP={monotonic}\n"
                f"_BOOT_ID={place.get('b', '0' * 32)}\nHOSTD_APP={app}\nHOSTD_SOURCE={item.source}\n"
                f"HOSTD_PROCESS={item.process}\nSYSLOG_IDENTIFIER={item.process}\nMESSAGE={text}\n\n"
            )
    return "".join(found).encode()


def priority(source: str, process: str) -> int:
    """Facility and severity, as Heroku's: 190 of apps, 158 of the router, 172 of the logplex, 45 of all else."""
    if source == "app":
        return _LOCAL7 * 8 + _INFO
    if process == "router":
        return _LOCAL3 * 8 + _INFO
    if process == "logplex":
        return _LOCAL5 * 8 + _WARNING
    return _SYSLOG * 8 + _NOTICE


def _framed(item: Item, host: str, between: str, end: str) -> bytes:
    first, second = _head(item.source, item.process, host, between)
    head = f"{first}{stamp(item.microseconds)}{second}"
    messages = [f"{head}{text}{end}".encode() for text in item.texts]
    return b"".join([b"%d %b" % (len(message), message) for message in messages])


@functools.lru_cache(maxsize=512)
def _head(source: str, process: str, host: str, between: str) -> tuple[str, str]:
    """What stands in front of a message's time, and between it and the text."""
    name = "app" if source == "app" else "heroku"
    shown = _UNPRINTABLE.sub("_", process)[:LONGEST_PROCESS] or "-"
    return f"<{priority(source, process)}>1 ", f" {host} {name} {shown} {between}"
