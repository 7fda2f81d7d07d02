"""Running the tools of a language: their output goes to the pusher, indented, as it is made."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packkit.say import detail

_KEPT_LINES = 400


@dataclass
class CommandError(Exception):
    """A command ended with `status`; `output` is the end of what it said."""

    argv: Sequence[str]
    status: int
    output: str = field(repr=False)


def run(argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> str:
    """Runs a command, its stdout and stderr shown line by line; returns the end of what it said.

    Raises CommandError for a status other than 0, and for a program that is not there (127).
    """
    words = [str(word) for word in argv]
    said: list[str] = []
    try:
        process = subprocess.Popen(
            words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise CommandError(words, 127, str(error)) from error
    with process:
        assert process.stdout is not None
        for raw in process.stdout:
            # A progress bar draws over itself: what is seen in the end is what follows the last return.
            line = raw.decode(errors="replace").rstrip("\r\n").rpartition("\r")[2]
            detail(line)
            said = [*said[-_KEPT_LINES:], line]
    if process.returncode:
        raise CommandError(words, process.returncode, "\n".join(said))
    return "\n".join(said)


def ask(argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> str:
    """What a command says on stdout; nothing is shown. Raises CommandError, with its stderr."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise CommandError(words, 127, str(error)) from error
    if done.returncode:
        raise CommandError(words, done.returncode, (done.stderr or done.stdout).decode(errors="replace"))
    return done.stdout.decode(errors="replace")
