"""What is left of pushes that were broken off."""

import subprocess

import pytest

from hostd.ssh.quarantine import LOCK, clearing


@pytest.fixture
def left(tmp_path):
    """The quarantine of a push that was broken off, in a repository."""
    objects = tmp_path / "objects"
    (objects / "pack").mkdir(parents=True)
    quarantine = objects / "tmp_objdir-incoming-abc123"
    quarantine.mkdir()
    (quarantine / "object").touch()
    return quarantine


def test_a_push_clears_what_it_and_those_before_left(tmp_path, left):
    with clearing(tmp_path):
        assert left.exists()
    assert not left.exists()
    assert (tmp_path / "objects" / "pack").exists()


def test_it_is_cleared_whatever_goes_wrong(tmp_path, left):
    with pytest.raises(KeyError), clearing(tmp_path):
        raise KeyError
    assert not left.exists()


def test_another_push_that_is_under_way_keeps_what_it_has(tmp_path, left):
    with clearing(tmp_path):
        with clearing(tmp_path):
            pass
        assert left.exists()
    assert not left.exists()


def test_a_push_whose_attendant_was_killed_is_under_way_until_git_ends(tmp_path, left):
    orphan = ["flock", "--shared", str(tmp_path / LOCK), "cat"]
    with subprocess.Popen(orphan, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:
        git.stdin.write(b"ready\n")
        git.stdin.flush()
        git.stdout.readline()
        with clearing(tmp_path):
            pass
        assert left.exists()
    with clearing(tmp_path):
        pass
    assert not left.exists()
