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


@pytest.mark.parametrize(
    ("text", "name", "cpu", "weight"),
    [("700M-1.5CPU", "700m-1.5cpu", 1.5, 150), ("2g-0.25cpu", "2g-0.25cpu", 0.25, 25), ("1G-2cpu", "1g-2cpu", 2, 200)],
)
def test_a_size_can_have_a_ceiling_of_cores(text, name, cpu, weight):
    size = sizes.get(text)
    assert (size.name, size.cpu, size.cpu_weight) == (name, cpu, weight)
    assert sizes.get(size.name) == size


@pytest.mark.parametrize(("old", "name"), [("1X", "standard-1x"), ("2x", "standard-2x"), ("PX", "performance-l")])
def test_old_names_are_known(old, name):
    assert sizes.get(old).name == name


@pytest.mark.parametrize(
    ("name", "title"),
    [("standard-2x", "Standard-2X"), ("performance-m", "Performance-M"), ("700m-1.5cpu", "700M-1.5CPU")],
)
def test_sizes_are_written_as_heroku_does(name, title):
    assert sizes.title(name) == title


@pytest.mark.parametrize(
    ("mebibytes", "text"),
    [(512, "512M"), (1024, "1G"), (1536, "1536M"), (2560, "2.5G"), (14336, "14G"), (24100, "24G")],
)
def test_amounts_of_memory_are_short(mebibytes, text):
    assert sizes.amount(mebibytes * sizes.MIB) == text


@pytest.mark.parametrize(
    "text",
    ["", "huge", "standard", "31m", "9999999g", "-5m", "1e3m", "5", "standard-1x\n-", "1g-0.01cpu", "1g-999cpu"],
)
def test_other_sizes_are_refused_with_the_sizes_there_are(text):
    with pytest.raises(Invalid, match="size"):
        sizes.get(text)


def test_weights_are_such_as_systemd_takes():
    assert all(1 <= size.cpu_weight <= 10000 for size in sizes.SIZES.values())
