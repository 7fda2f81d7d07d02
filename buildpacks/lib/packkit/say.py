"""How a buildpack speaks to the pusher: the words of output.sh."""

from __future__ import annotations

import sys
from collections.abc import Callable


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
    """Runs a buildpack's script with its arguments; ends with status 1 and the reason when it raises BuildError."""
    try:
        main(sys.argv[1:])
    except BuildError as error:
        warn(*error.args)
        sys.exit(1)


def _print(line: str) -> None:
    sys.stdout.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")
    sys.stdout.flush()
