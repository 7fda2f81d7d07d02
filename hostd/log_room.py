"""Room for logs: what journald cannot store on a full disk it drops, and says so to nobody. So hostd does, afterwards.

journald leaves the disk's last GiB to others, and stops growing there; but it needs a few MiB for each new file, and
when others have filled the disk to the last byte there are none. How much was lost nobody has counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from hostd.journals import app_of
from hostd.logplex.lines import stamp
from units.systemd import Systemd, SystemdError

log = logging.getLogger(__name__)

LEAST = 16 << 20
"""Bytes: a journal's next file is 8 MiB, and several may be needed at once."""
_LOOK_SECONDS = 5.0


def full(since: float, until: float) -> str:
    """What is said in the log of an app when there is room again; times in seconds since the epoch."""
    begin, end = (stamp(int(moment * 1_000_000)) for moment in (since, until))
    return (
        f"Error L13 (Local delivery error) -> The server's disk was full from {begin} to {end}: "
        "messages of that time may be missing."
    )


class LogRoom:
    """Watches the disk that logs are on.

    `free` are the bytes left on it, `writing` the apps whose journals may be written to now, `say` writes to the log of
    an app.
    """

    def __init__(
        self,
        free: Callable[[], int],
        writing: Callable[[], Iterable[str]],
        say: Callable[[str, str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._free = free
        self._writing = writing
        self._say = say
        self._clock = clock
        self._since = 0.0
        self._concerned: set[str] = set()

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            try:
                self.look()
            except (OSError, SystemdError) as error:
                log.warning("whether there is room for logs cannot be told, which is tried again: %s", error)
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Note that the disk is full, or say that it was. Raises OSError, SystemdError."""
        if self._free() < LEAST:
            if not self._since:
                self._since = self._clock()
                log.error("the disk of /var/log/journal is full: what apps log now may be lost. Delete something")
            self._concerned.update(self._writing())
        elif self._since:
            text = full(self._since, self._clock())
            for app_id in sorted(self._concerned):
                self._say(app_id, text)
            self._since = 0.0
            self._concerned.clear()


def bytes_free(folder: Path = Path("/var/log/journal")) -> int:
    """Bytes that journald could still use on the disk of a folder. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def apps_writing(systemd: Systemd) -> list[str]:
    """The ids of the apps whose journald runs. Raises SystemdError."""
    units = systemd.list_units(["systemd-journald@hostd-*.service"])
    names = (unit.name.partition("@")[2].removesuffix(".service") for unit in units if unit.active == "active")
    return [app_id for name in names if (app_id := app_of(name)) is not None]
