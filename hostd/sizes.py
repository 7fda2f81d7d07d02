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

    `memory` is the quota in bytes, beyond which R14 is logged; `cpu_weight` is systemd's CPUWeight (100 is
    an equal share); `tasks` bounds processes and threads together. `cpu` is a ceiling in cores, None for none.
    """

    name: str
    memory: int
    cpu_weight: int
    tasks: int
    cpu: float | None = None

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

ALIASES = {"1x": "standard-1x", "2x": "standard-2x", "px": "performance-l", "free": "eco", "hobby": "basic"}
"""What Heroku called its sizes before, or calls them in short."""

SMALLEST = 32 * MIB
LARGEST = 1024 * GIB
FEWEST_CORES, MOST_CORES = 0.1, 128.0

_AMOUNT = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)(m|g)b?(?:-([0-9]{1,4}(?:\.[0-9]{1,2})?)cpu)?")


def get(name: str) -> Size:
    """The size of that name, in any case, or one made for an amount of memory such as `768M` or `1.5G`.

    `700M-1.5CPU` is one that never gets more than one and a half cores. Raises Invalid, which lists the sizes.
    """
    wanted = name.strip().lower()
    wanted = ALIASES.get(wanted, wanted)
    if wanted in SIZES:
        return SIZES[wanted]
    if found := _AMOUNT.fullmatch(wanted):
        memory = int(float(found[1]) * (MIB if found[2] == "m" else GIB))
        return _custom(name, memory, float(found[3]) if found[3] else None)
    raise Invalid(
        f"There is no dyno size {name[:40]!r}. Sizes: {', '.join(SIZES)}, or an amount of memory such as 768M."
    )


def amount(memory: int) -> str:
    """Bytes of memory as people write a size: `512M`, `14G`, `1.5G`."""
    if memory and (memory % GIB == 0 or memory >= 10 * GIB):
        return f"{memory / GIB:.0f}G"
    return f"{memory / GIB:.1f}G" if memory >= 2 * GIB else f"{memory // MIB}M"


def title(name: str) -> str:
    """A size's name as Heroku writes it: `Standard-1X`, `700M-1.5CPU`."""
    return name.title() if name.lower() in SIZES else name.upper()


def _custom(name: str, memory: int, cpu: float | None) -> Size:
    if not SMALLEST <= memory <= LARGEST:
        raise Invalid(f"{name[:40]} is not a usable dyno size: memory must be 32M to 1024G.")
    if cpu is not None and not FEWEST_CORES <= cpu <= MOST_CORES:
        raise Invalid(f"{name[:40]} is not a usable dyno size: cores must be {FEWEST_CORES:g} to {MOST_CORES:g}.")
    standard = SIZES[DEFAULT]
    share = memory / standard.memory
    # Whoever names cores means them, whatever the memory.
    weight = min(10000, max(1, round(standard.cpu_weight * (share if cpu is None else cpu))))
    tasks = min(32768, max(standard.tasks, round(standard.tasks * share)))
    written = f"{memory // GIB}g" if memory % GIB == 0 else f"{memory // MIB}m"
    if cpu is not None:
        written += f"-{cpu:g}cpu"
    return Size(written, memory // MIB * MIB, weight, tasks, cpu)
