"""Dyno sizes: how much memory, processor and how many tasks one dyno may use."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hostd.errors import Invalid

MIB = 1024 * 1024
GIB = 1024 * MIB
DEFAULT = "standard-1x"


@dataclass(frozen=True, slots=True)
class Size:
    """One dyno size.

    `memory` is the quota in bytes, beyond which Heroku logs R14; `cpu_weight` is systemd's CPUWeight (100 is
    an equal share); `tasks` bounds processes and threads together.
    """

    name: str
    memory: int
    cpu_weight: int
    tasks: int

    @property
    def memory_max(self) -> int:
        """Bytes at which the dyno is killed (R15): three times the quota, as Heroku does."""
        return 3 * self.memory


# Memory, processor shares and task limits of Heroku's dyno types of the same names.
SIZES: dict[str, Size] = {
    size.name: size
    for size in (
        Size("eco", 512 * MIB, 50, 256),
        Size("basic", 512 * MIB, 100, 256),
        Size("standard-1x", 512 * MIB, 100, 256),
        Size("standard-2x", 1 * GIB, 200, 512),
        Size("performance-m", 2560 * MIB, 1200, 16384),
        Size("performance-l", 14 * GIB, 5000, 32768),
    )
}

SMALLEST = 32 * MIB
LARGEST = 1024 * GIB

_AMOUNT = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)(m|g)b?")


def get(name: str) -> Size:
    """The size of that name, in any case, or one made for an amount of memory such as `768M` or `1.5G`.

    Raises Invalid, which lists the sizes.
    """
    wanted = name.strip().lower()
    if wanted in SIZES:
        return SIZES[wanted]
    if amount := _AMOUNT.fullmatch(wanted):
        return _custom(name, int(float(amount[1]) * (MIB if amount[2] == "m" else GIB)))
    raise Invalid(
        f"There is no dyno size {name[:40]!r}. Sizes: {', '.join(SIZES)}, or an amount of memory such as 768M."
    )


def _custom(name: str, memory: int) -> Size:
    if not SMALLEST <= memory <= LARGEST:
        raise Invalid(f"{name[:40]} is not a usable dyno size: memory must be 32M to 1024G.")
    standard = SIZES[DEFAULT]
    share = memory / standard.memory
    weight = min(10000, max(1, round(standard.cpu_weight * share)))
    tasks = min(32768, max(standard.tasks, round(standard.tasks * share)))
    amount = f"{memory // GIB}g" if memory % GIB == 0 else f"{memory // MIB}m"
    return Size(amount, memory // MIB * MIB, weight, tasks)
