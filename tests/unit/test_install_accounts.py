"""Users that are made are the users that are removed."""

from pathlib import Path

from hostd.install import accounts


def test_every_user_that_is_declared_is_removed():
    declared = (Path(accounts.__file__).parent / "files/sysusers.conf").read_text()
    assert [line.split()[1] for line in declared.splitlines() if line.startswith("u ")] == list(accounts.USERS)
