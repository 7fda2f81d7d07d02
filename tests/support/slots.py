"""Ports for a test installation: a slot of ten that no other run and nobody else uses."""

from __future__ import annotations

import contextlib
import fcntl
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path("/run/hostd-box")
FIRST = 10_000
SLOTS = 10
"""Below the ports of outgoing connections."""


@dataclass(frozen=True)
class Slot:
    """Ten ports from `base` on."""

    base: int

    @property
    def http(self) -> int:
        """Port of the router."""
        return self.base

    @property
    def https(self) -> int:
        """Port of the router for https."""
        return self.base + 1

    @property
    def ssh(self) -> int:
        """Port of the ssh server."""
        return self.base + 2

    @property
    def api(self) -> int:
        """Port of the API."""
        return self.base + 3

    @property
    def rendezvous(self) -> int:
        """Port at which clients of the API meet dynos."""
        return self.base + 4


@contextlib.contextmanager
def take() -> Iterator[Slot]:
    """Hold a free slot; the kernel gives it back when this process ends."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    for number in range(SLOTS):
        slot = Slot(FIRST + 10 * number)
        with (LOCKS / f"slot-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if all(_free(port) for port in (slot.http, slot.https, slot.ssh, slot.api, slot.rendezvous)):
                yield slot
                return
    raise SystemExit("tests/run: every slot of test ports is in use")


def _free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
