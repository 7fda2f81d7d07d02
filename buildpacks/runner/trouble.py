"""Why a build cannot go on, said by a helper to the script that called it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Trouble(Exception):  # noqa: N818 - says what happened
    """The build cannot go on; the text names the cause and the next step, and no credentials."""


def guarded(work: Path, doing: Callable[[], None]) -> int:
    """Do it; on Trouble, or when the disk is full, leave the text in the file `reason` of `work`.

    Returns the exit status.
    """
    try:
        doing()
    except (Trouble, OSError) as trouble:
        with suppress(OSError):
            (work / "reason").write_text(str(trouble))
        return 1
    return 0


def say(*lines: str) -> None:
    """Lines for the transcript, at once."""
    for line in lines:
        print(line)
    sys.stdout.flush()
