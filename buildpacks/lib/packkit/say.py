"""How a buildpack speaks to the pusher: the words of output.sh."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

_KILLED = 128 + signal.SIGKILL


class BuildError(Exception):
    """Ends the build: each argument is a line that tells the pusher the cause, then the next step."""


def topic(text: str) -> None:
    """A heading."""
    _print(f"-----> {text}")


def detail(text: str) -> None:
    """A line below a heading."""
    _print(f"       {text}")


def warn(*lines: str) -> None:
    """Lines that the pusher should not overlook."""
    for line in lines:
        _print(f" !     {line}")


def program(main: Callable[[list[str]], None]) -> None:
    """Runs a buildpack's script with its arguments; ends with the reason and status 1 when it raises BuildError.

    When that came from a command that was killed, the status says so: most likely it lacked memory.
    """
    try:
        main(sys.argv[1:])
    except BuildError as error:
        warn(*error.args)
        sys.exit(_KILLED if getattr(error.__cause__, "status", 1) in (-signal.SIGKILL, _KILLED) else 1)


def _print(line: str) -> None:
    sys.stdout.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")
    sys.stdout.flush()
