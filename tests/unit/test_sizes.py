import pytest

from hostd import sizes
from hostd.errors import Invalid


def test_the_table_has_herokus_sizes():
    assert {size.name: size.memory // sizes.MIB for size in sizes.SIZES.values()} == {
        "eco": 512,
        "basic": 512,
        "standard-1x": 512,
        "standard-2x": 1024,
        "performance-m": 2560,
        "performance-l": 14336,
    }
    assert sizes.DEFAULT in sizes.SIZES


def test_names_are_read_in_any_case_as_heroku_writes_them():
    assert sizes.get("Standard-1X") is sizes.SIZES["standard-1x"]


def test_a_dyno_is_killed_at_three_times_its_quota():
    assert sizes.get("standard-1x").memory_max == 1536 * sizes.MIB


@pytest.mark.parametrize(
    ("text", "name", "mebibytes"),
    [("768M", "768m", 768), ("1.5G", "1536m", 1536), ("2gb", "2g", 2048), ("32m", "32m", 32)],
)
def test_a_size_can_be_any_amount_of_memory(text, name, mebibytes):
    size = sizes.get(text)
    assert (size.name, size.memory) == (name, mebibytes * sizes.MIB)
    assert sizes.get(size.name) == size
    assert 1 <= size.cpu_weight <= 10000
    assert 256 <= size.tasks <= 32768


@pytest.mark.parametrize("text", ["", "huge", "standard", "31m", "9999999g", "-5m", "1e3m", "5", "standard-1x\n-"])
def test_other_sizes_are_refused_with_the_sizes_there_are(text):
    with pytest.raises(Invalid, match="size"):
        sizes.get(text)


def test_weights_are_such_as_systemd_takes():
    assert all(1 <= size.cpu_weight <= 10000 for size in sizes.SIZES.values())
