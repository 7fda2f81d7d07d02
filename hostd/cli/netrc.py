"""~/.netrc: reading one machine's password, and changing one machine's entry with every other byte left as it is.

The format is that of inetutils' netrc(5), as curl, git and Heroku's command line read it. Pure functions over text,
but for `load` and `save`.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hostd.cli.command import Refused

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\S+')
_VALUES = ("login", "password", "account")
_TOP = ("machine", "default", "macdef")
_NEEDS_QUOTES = re.compile(r'[\s"#\\]')


@dataclass(slots=True)
class Entry:
    """What is said of one machine, and where: `begin` and `end` are places in the text."""

    machine: str
    begin: int
    end: int
    values: dict[str, str] = field(default_factory=dict)


def path_of(home: Path) -> Path:
    """The file of a user."""
    return home / ".netrc"


def entries(text: str) -> Iterator[Entry]:
    """The entries of machines, in their order."""
    entry: Entry | None = None
    place = 0
    while found := _TOKEN.search(text, place):
        word, place = found[0], found.end()
        if word.startswith("#"):
            place = _after(text, "\n", found.start())
        elif word in _TOP:
            if entry is not None:
                yield entry
            entry = None
            if word == "macdef":
                # A macro is everything up to the next empty line.
                place = _after(text, "\n\n", place)
            elif word == "machine" and (name := _TOKEN.search(text, place)):
                entry = Entry(_plain(name[0]), found.start(), name.end())
                place = name.end()
        elif word in _VALUES and (value := _TOKEN.search(text, place)):
            place = value.end()
            if entry is not None:
                entry.values[word] = _plain(value[0])
                entry.end = place
    if entry is not None:
        yield entry


def password(text: str, machine: str) -> str | None:
    """The password of a machine; of several entries the first counts, as for curl."""
    return next((entry.values.get("password") for entry in entries(text) if entry.machine == machine), None)


def with_entry(text: str, machine: str, login: str, secret: str) -> str:
    """The text with one entry of that machine."""
    block = f"machine {machine}\n  login {_quoted(login)}\n  password {_quoted(secret)}"
    known = [entry for entry in entries(text) if entry.machine == machine]
    if not known:
        default = re.search(r"^default\b", text, re.MULTILINE)
        # What stands behind `default` is never looked at.
        place = default.start() if default else len(text)
        before, after = text[:place], text[place:]
        gap = "" if not before or before.endswith("\n") else "\n"
        added = f"{before}{gap}{block}\n{after}"
        # Behind a macro without an end, or a word without its value, it would not be found.
        return added if password(added, machine) == secret else f"{block}\n{text}"
    first, *others = known
    for entry in reversed(others):
        text = _cut(text, entry)
    return f"{text[: first.begin]}{block}{text[first.end :]}"


def without_entry(text: str, machine: str) -> str:
    """The text without the entries of that machine."""
    for entry in reversed([entry for entry in entries(text) if entry.machine == machine]):
        text = _cut(text, entry)
    return text


def load(file: Path) -> str:
    """What the file says; empty if there is none. Raises Refused if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error


def save(file: Path, text: str, *, mode: int = stat.S_IRUSR | stat.S_IWUSR) -> None:
    """Write the file as a whole or not at all, for its owner alone; where it is a link, what it leads to.

    Raises Refused.
    """
    target = Path(os.path.realpath(file))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".hostctl-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            Path(temporary).chmod(mode)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}.") from error


def _after(text: str, mark: str, place: int) -> int:
    found = text.find(mark, place)
    return len(text) if found < 0 else found + len(mark)


def _cut(text: str, entry: Entry) -> str:
    """Without the entry, and without the rest of its last line if nothing is there."""
    end = entry.end
    rest = re.compile(r"[ \t]*\n?").match(text, end)
    return text[: entry.begin] + text[rest.end() if rest else end :]


def _plain(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if len(word) > 1 and word[0] == word[-1] == '"' else word


def _quoted(value: str) -> str:
    if not _NEEDS_QUOTES.search(value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
