import os

import pytest

from hostd.alone import only_one
from hostd.errors import Unavailable


def test_a_second_hostd_is_refused_and_told_of_the_first(tmp_path):
    lock = tmp_path / "master" / "hostd.lock"
    first = only_one(lock)
    for _ in range(2):
        with pytest.raises(Unavailable, match=rf"Another hostd runs already \(process {os.getpid()}\)"):
            only_one(lock)
    first.close()
    only_one(lock).close()


def test_what_a_killed_one_left_is_no_obstacle(tmp_path):
    (tmp_path / "hostd.lock").write_text("4711\n")
    only_one(tmp_path / "hostd.lock").close()
    assert (tmp_path / "hostd.lock").read_text() == f"{os.getpid()}\n"


def test_a_file_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "master").write_text("")
    with pytest.raises(Unavailable, match=r"Cannot open .*hostd\.lock"):
        only_one(tmp_path / "master" / "hostd.lock")
