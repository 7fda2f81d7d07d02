"""Reads a Procfile: one `type: command` a line, as Heroku has it, but strict about what it cannot read."""

from __future__ import annotations

import re

MAX_BYTES = 64 * 1024

_TYPE = re.compile(r"[A-Za-z0-9_-]{1,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class ProcfileError(ValueError):
    """A Procfile that cannot be used; the text names the line (from 1, 0 for the whole file) and the cure."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        super().__init__(f"Procfile, line {line}: {reason}" if line else f"Procfile: {reason}")


def parse(content: bytes) -> dict[str, str]:
    """The commands by process type, in the file's order; empty lines and `#` comments are left out.

    Raises ProcfileError: not UTF-8, larger than MAX_BYTES, no colon, a bad or repeated type, no command.
    """
    if len(content) > MAX_BYTES:
        raise ProcfileError(0, f"larger than {MAX_BYTES // 1024} KB; move commands into scripts")
    types: dict[str, str] = {}
    first_seen: dict[str, int] = {}
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        line = _decode(number, raw).strip()
        if not line or line.startswith("#"):
            continue
        name, command = _entry(number, line)
        if name in types:
            raise ProcfileError(number, f'"{name}" is declared already in line {first_seen[name]}')
        types[name], first_seen[name] = command, number
    return types


def is_process_type(name: str) -> bool:
    """Whether a process type can have this name."""
    return _TYPE.fullmatch(name) is not None


def is_command(text: str) -> bool:
    """Whether a process type can have this command: one line, without control characters."""
    return bool(text.strip()) and "\n" not in text and len(text) <= MAX_BYTES and not _CONTROL.search(text)


def _decode(number: int, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ProcfileError(number, f"not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from error


def _entry(number: int, line: str) -> tuple[str, str]:
    name, colon, command = (part.strip() for part in line.partition(":"))
    if not colon:
        example = _short(line.removeprefix("web "))
        raise ProcfileError(number, f'no colon; write it as "type: command", for example "web: {example}"')
    if not is_process_type(name):
        raise ProcfileError(
            number, f'"{_short(name)}" is no process type; use letters, digits, "-" and "_", at most 63'
        )
    if not command:
        raise ProcfileError(number, f'"{name}" has no command')
    if _CONTROL.search(command):
        raise ProcfileError(number, f'the command of "{name}" has control characters in it')
    return name, command


def _short(text: str) -> str:
    shown = text if len(text) <= 40 else text[:39] + "…"
    return shown.encode("unicode_escape").decode() if not shown.isprintable() else shown
