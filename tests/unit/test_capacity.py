"""What may be promised to dynos, as values."""

import pytest

from hostd.capacity import Capacity, machine_memory
from hostd.errors import Invalid
from hostd.ledger.formation import Process

GIB = 1 << 30
MACHINE = Capacity(memory=4 * GIB, overcommit=2)


def test_what_fits_is_not_refused():
    MACHINE.check("hello", [Process("web", 2)], before=7 * GIB, after=8 * GIB)
    MACHINE.check("hello", [Process("web", 0, "performance-l")], before=0, after=GIB)


def test_less_is_never_refused():
    MACHINE.check("hello", [Process("web", 9, "performance-l")], before=100 * GIB, after=99 * GIB)
    MACHINE.check("hello", [Process("web", 0)], before=100 * GIB, after=100 * GIB)


def test_the_arithmetic_of_a_refusal():
    asked = [Process("web", 6), Process("worker", 1, "standard-2x"), Process("clock", 0)]
    with pytest.raises(Invalid) as refused:
        MACHINE.check("hello", asked, before=int(5.5 * GIB), after=int(9.5 * GIB))
    assert str(refused.value) == (
        "There is no room for that formation of hello (web: 6 x 512M, worker: 1 x 1G): it asks for 4G of memory more, "
        "and 2.5G are free. This machine has 4G, promises it 2 times over (memory_overcommit) = 8G, and has promised "
        "5.5G. Use fewer or smaller dynos."
    )


def test_a_dyno_larger_than_the_machine_is_refused():
    with pytest.raises(Invalid, match="A Performance-L dyno may use 14G of memory, and this machine has 4G"):
        MACHINE.check("hello", [Process("web", 1, "performance-l")], before=0, after=GIB)


def test_the_machine_says_how_much_it_has(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:        4096 kB\nMemFree:  1 kB\n")
    assert machine_memory(tmp_path / "meminfo") == 4 << 20
    assert machine_memory() > GIB
    (tmp_path / "meminfo").write_text("")
    with pytest.raises(OSError, match="does not say"):
        machine_memory(tmp_path / "meminfo")
