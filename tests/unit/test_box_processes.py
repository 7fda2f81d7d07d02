from pathlib import Path

from hostd.box.processes import Running, end, find

ROOT = Path("/var/lib/hostd-box/one/root")


def process(proc: Path, pid: int, words: list[str], children: str = "") -> None:
    (proc / str(pid) / "task" / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")
    (proc / str(pid) / "task" / str(pid) / "children").write_text(children)


def test_a_running_box_is_found_by_its_command_lines(tmp_path):
    process(tmp_path, 1, ["/sbin/init"])
    process(tmp_path, 10, ["/bin/sh", "/x/keep", "systemd-nspawn", f"--directory={ROOT}"], "11")
    process(tmp_path, 11, ["systemd-nspawn", f"--directory={ROOT}"], "12 ")
    process(tmp_path, 12, ["/lib/systemd/systemd"])
    (tmp_path / "self").mkdir()
    assert find(ROOT, tmp_path) == Running(keeper=10, nspawn=11, leader=12)


def test_another_box_is_not_taken_for_it(tmp_path):
    process(tmp_path, 11, ["systemd-nspawn", f"--directory={ROOT}2"], "12")
    assert not find(ROOT, tmp_path)


def test_a_box_that_reboots_is_running_without_a_leader(tmp_path):
    process(tmp_path, 10, ["/bin/sh", "/x/keep", "systemd-nspawn", f"--directory={ROOT}"])
    running = find(ROOT, tmp_path)
    assert running
    assert running.leader is None


def test_of_nspawn_and_its_early_copy_the_parent_counts(tmp_path):
    process(tmp_path, 11, ["systemd-nspawn", f"--directory={ROOT}"], "12")
    process(tmp_path, 12, ["systemd-nspawn", f"--directory={ROOT}"])
    assert find(ROOT, tmp_path) == Running(keeper=None, nspawn=11, leader=12)


def test_ending_what_has_ended_is_clean():
    assert end(Running(keeper=None, nspawn=None, leader=None), 1.0)
