"""What this machine may promise to dynos, and the arithmetic of a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hostd import sizes
from hostd.errors import Invalid
from hostd.ledger.formation import Process

MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Capacity:
    """The machine's `memory` in bytes, and how many times it may be promised."""

    memory: int
    overcommit: int

    def fitting(self, name: str, what: str) -> str:
        """The name of a dyno size that *what* shall have. Raises Invalid for none, or too large a one."""
        size = sizes.get(name)
        if size.memory > self.memory:
            raise Invalid(
                f"A {sizes.title(size.name)} dyno may use {sizes.amount(size.memory)} of memory, and this machine "
                f"has {sizes.amount(self.memory)}. Use a smaller size for {what}."
            )
        return size.name

    def check(self, app: str, asked: Sequence[Process], before: int, after: int) -> None:
        """Raises Invalid if the formation `asked` for is more than there is.

        `before` and `after` are the bytes promised to the dynos of all apps, without and with it. What makes
        them fewer is never refused.
        """
        if after <= before:
            return
        for process in asked:
            if process.quantity:
                self.fitting(process.size, process.type)
        total = self.memory * self.overcommit
        if after > total:
            words = ", ".join(
                f"{process.type}: {process.quantity} x {sizes.amount(sizes.get(process.size).memory)}"
                for process in asked
                if process.quantity
            )
            raise Invalid(
                f"There is no room for that formation of {app} ({words}): it asks for {sizes.amount(after - before)} "
                f"of memory more, and {sizes.amount(max(0, total - before))} are free. This machine has "
                f"{sizes.amount(self.memory)}, promises it {self.overcommit} times over (memory_overcommit) = "
                f"{sizes.amount(total)}, and has promised {sizes.amount(before)}. Use fewer or smaller dynos."
            )


def machine_memory(meminfo: Path = MEMINFO) -> int:
    """The machine's memory in bytes (proc(5), MemTotal)."""
    for line in meminfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    raise OSError(f"{meminfo} does not say how much memory there is")
