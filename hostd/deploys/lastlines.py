"""The last lines a dyno wrote, for the one who is told that it crashed."""

from __future__ import annotations

import logging

from hostd.journals import namespace
from hostd.logplex.lines import harmless
from units.run import CommandError, arun

log = logging.getLogger(__name__)

_COUNT = 20
_LONGEST = 300
"""Characters of one line that are shown: the whole of it is in the log."""
_SECONDS = 10.0


class LastLines:
    """Reads the newest lines of a dyno from its app's journal."""

    async def __call__(self, app_id: str, unit: str) -> list[str]:
        """The newest lines that the dyno's processes wrote, oldest first; none of theirs is still on its way.

        The unit alone does not say whose they are: an app that was destroyed may have had its name.
        """
        journal = ["journalctl", f"--namespace={namespace(app_id)}"]
        matches = [f"_SYSTEMD_UNIT={unit}", f"HOSTD_APP={app_id}"]
        try:
            await arun([*journal, "--sync"], timeout=_SECONDS)
            done = await arun([*journal, f"--lines={_COUNT}", "--output=cat", *matches], timeout=_SECONDS)
        except CommandError as error:
            log.warning("the last lines of %s cannot be read: %s", unit, error)
            return []
        return [shortened(line) for line in done.text.splitlines()[-_COUNT:]]


def shortened(line: str) -> str:
    """The line as a terminal may show it: no longer than a few rows, and nothing in it that moves the cursor."""
    shown = harmless(line)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
