"""The last lines a dyno wrote, for the one who is told that it crashed."""

from __future__ import annotations

from units.run import arun

_COUNT = 20
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
        return done.text.splitlines()
