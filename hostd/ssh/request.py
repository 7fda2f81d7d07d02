"""What came over ssh: a git command on an app's repository, a hostctl command, or nothing. Pure."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from hostd.cli.command import Word

GIT_SERVICES = ("git-receive-pack", "git-upload-pack")
NO_SERVICES = ("git-upload-archive", "git-lfs-authenticate", "git-lfs-transfer", "git-shell")

_REPOSITORY = re.compile(r"/?~?/?(?P<app>[a-z][a-z0-9-]{1,28}[a-z0-9])(?:\.git)?/?")


class BadRequest(Exception):  # noqa: N818 - says what came
    """A command that makes no sense; the message is for whoever sent it."""


@dataclass(frozen=True, slots=True)
class GitRequest:
    """Run a git service on the repository of an app."""

    service: str
    app: str


@dataclass(frozen=True, slots=True)
class HostctlRequest:
    """Run a hostctl command; without words, only say hello."""

    words: tuple[str, ...]


def parse(original: str) -> GitRequest | HostctlRequest:
    """Read SSH_ORIGINAL_COMMAND. The words are taken apart as a shell would, but no shell ever sees them."""
    try:
        words = split(original)
    except ValueError as error:
        raise BadRequest(f"The command cannot be read: {error}.") from error
    if len(words) > 1 and words[0] == "git":
        # Some clients write `git receive-pack`; git-shell(1) takes that too.
        words = [Word(f"git-{words[1]}"), *words[2:]]
    if words and words[0] in NO_SERVICES:
        raise BadRequest(f"{words[0]} is not offered here: push, fetch and clone are.")
    if words and words[0] in GIT_SERVICES:
        return GitRequest(words[0], _app(words))
    return HostctlRequest(tuple(words))


def split(line: str) -> list[Word]:
    """As shlex.split, with words that know their places; raises ValueError."""
    source = io.StringIO(line)
    lexer = shlex.shlex(source, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words, read = [], 0
    while (text := lexer.get_token()) is not None:
        word = Word(text)
        word.line, word.begin = line, len(line) - len(line[read:].lstrip(lexer.whitespace))
        read = source.tell()
        # What ends a word is read with it; only the end of the line is nothing that could be.
        word.end = read if vars(lexer)["state"] is None else read - 1
        words.append(word)
    return words


def _app(words: Sequence[str]) -> str:
    if len(words) != 2:
        raise BadRequest(f"{words[0]} takes one repository.")
    found = _REPOSITORY.fullmatch(words[1])
    if not found:
        shown = words[1][:60].encode("unicode_escape").decode()
        raise BadRequest(f"{shown} is not the repository of an app: it must be like hello.git.")
    return found["app"]
