"""How lines leave the logplex: as text, as written, or as JSON; plain or as server-sent events. Pure."""

from __future__ import annotations

import enum
import functools
import json
import re
from collections.abc import Callable

from hostd.logplex.lines import Line, raw_rows, stamp, written

LOGPLEX = "logplex"

# json.dumps leaves these as they are, and terminals obey some of them.
_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029]")
_FIELD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
_NUMBERS = frozenset({"status", "bytes"})
_MILLISECONDS = frozenset({"connect", "service"})


class Form(enum.StrEnum):
    """What a line looks like."""

    TEXT = "text"
    """`time source[process]: text`, harmless to terminals."""
    RAW = "raw"
    """The same with the bytes that were written."""
    JSON = "json"
    """One object for an entry, however many rows it has."""


Rows = Callable[[Line], list[bytes]]


def rows_of(form: Form) -> Rows:
    """The function that makes the rows of a line, without line ends."""
    return {Form.TEXT: _text, Form.RAW: raw_rows, Form.JSON: _json}[form]


class Shown:
    """A line and what was made of it: once for each form, however many read it."""

    __slots__ = ("_made", "cost", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.cost = len(line.message) + 256
        self._made: dict[Renderer, bytes] | None = None

    def by(self, renderer: Renderer) -> bytes:
        """As this renderer shows it."""
        if self._made is None:
            self._made = {}
        made = self._made.get(renderer)
        if made is None:
            made = self._made[renderer] = renderer.line(self.line)
        return made


class Renderer:
    """Makes the bytes of a stream's body. `events` are server-sent (HTML Standard, 9.2.6), else lines are plain."""

    def __init__(self, form: Form, events: bool) -> None:
        self.form = form
        self.events = events
        self._rows = rows_of(form)

    def line(self, line: Line) -> bytes:
        """A whole line."""
        return self.rows(self._rows(line), line.cursor if self.events else None)

    def rows(self, rows: list[bytes], cursor: str | None) -> bytes:
        """Rows of one entry; the id of an event is the journal's cursor, with which a reader comes back."""
        if not self.events:
            return b"\n".join([*rows, b""])
        data = b"data: %b\n" % b"\ndata: ".join(rows) if rows else b""
        return b"id: %b\n%b\n" % (cursor.encode(), data) if cursor else b"%b\n" % data

    def said(self, now: int, text: str) -> bytes:
        """A remark of the logplex itself in the stream, at a time in microseconds."""
        return self.rows(self._rows(Line("", now, "", "heroku", LOGPLEX, text.encode())), None)

    def progress(self, text: str) -> bytes:
        """How far a search is, for those who asked for events; other lines show no such thing."""
        return b"event: progress\ndata: %b\n\n" % text.encode() if self.events else b""

    def notice(self, text: str) -> bytes:
        """What a reader should know besides the lines, as `progress`."""
        return b"event: notice\ndata: %b\n\n" % text.encode() if self.events else b""

    def failure(self, now: int, text: str) -> bytes:
        """Why a stream ends before its time."""
        return b"event: failure\ndata: %b\n\n" % text.encode() if self.events else self.said(now, f"Error: {text}")


@functools.cache
def renderer(form: Form, events: bool) -> Renderer:
    """The renderer of a form: the same one for all who want that, so that they share what it makes."""
    return Renderer(form, events)


def request_fields(message: str) -> dict[str, str | int]:
    """What a router's line says of a request: `status` and `bytes` as numbers, `connect` and `service` in ms."""
    found: dict[str, str | int] = {}
    for name, quoted, bare in _FIELD.findall(message):
        value = quoted or bare
        digits = value.removesuffix("ms") if name in _MILLISECONDS else value
        found[name] = int(digits) if name in _NUMBERS | _MILLISECONDS and digits.isdecimal() else value
    return found


def _text(line: Line) -> list[bytes]:
    return [row.encode() for row in written(line)]


def _json(line: Line) -> list[bytes]:
    message = line.message.decode("utf-8", "replace")
    value: dict[str, object] = {
        "time": stamp(line.microseconds),
        "source": line.source,
        "process": line.process,
        "message": message,
    }
    if line.source == "heroku" and line.process == "router":
        value["request"] = request_fields(message)
    text = json.dumps(value, ensure_ascii=False)
    return [_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8", "replace")]
