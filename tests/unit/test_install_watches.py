"""The limits of file watches, which are root's and all dynos' together."""

from pathlib import Path

from hostd.install.watches import leave_to_memory

MOST = 2**31 - 1


def test_they_are_raised_and_stay_when_they_are_high_enough(tmp_path: Path) -> None:
    low, high = tmp_path / "instances", tmp_path / "watches"
    low.write_text("128\n")
    high.write_text(f"{MOST}\n")
    high.chmod(0o400)
    assert leave_to_memory([low, high])
    assert [int(limit.read_text()) for limit in (low, high)] == [MOST, MOST]


def test_a_kernel_that_is_not_ours_is_said(tmp_path: Path) -> None:
    assert not leave_to_memory([tmp_path / "missing"])


def test_after_a_boot_it_is_the_same() -> None:
    lines = (Path(__file__).parents[2] / "hostd/install/files/sysctl.conf").read_text().splitlines()
    for name in ("max_user_instances", "max_user_watches"):
        assert f"fs.inotify.{name} = {MOST}" in lines
