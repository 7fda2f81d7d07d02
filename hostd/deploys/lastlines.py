"""The last lines a dyno wrote, for the one who is told that it crashed."""

from __future__ import annotations

from hostd.logplex.lines import harmless
from units.run import arun

_COUNT = 20
_LONGEST = 300
"""Characters of one line that are shown: the whole of it is in the log."""
_SECONDS = 10.0


class LastLines:
    """Reads the newest lines of one unit from the journal."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    async def __call__(self, unit: str) -> list[str]:
        """The newest lines that the unit's processes wrote, oldest first; none of theirs is still on its way."""
        journal = ["journalctl", f"--namespace={self._namespace}"]
        await arun([*journal, "--sync"], timeout=_SECONDS)
        lines = [f"--lines={_COUNT}", "--output=cat", f"_SYSTEMD_UNIT={unit}"]
        done = await arun([*journal, *lines], timeout=_SECONDS)
        return [shortened(line) for line in done.text.splitlines()[-_COUNT:]]


def shortened(line: str) -> str:
    """The line as a terminal may show it: no longer than a few rows, and nothing in it that moves the cursor."""
    shown = harmless(line)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
