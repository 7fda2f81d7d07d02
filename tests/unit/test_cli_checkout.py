"""Which app the git remotes of a checkout mean."""

from __future__ import annotations

import subprocess

import pytest

from hostd.cli import checkout
from hostd.cli.checkout import app_of, choose
from hostd.cli.command import Refused, Usage


@pytest.mark.parametrize(
    ("address", "app"),
    [
        ("ssh://git@localhost:2222/hello.git", "hello"),
        ("ssh://git@example.com/hello", "hello"),
        ("git@example.com:hello-world.git", "hello-world"),
        ("git@example.com:/hello.git", "hello"),
        ("git@github.com:owner/repo.git", None),
        ("ssh://git@github.com/owner/repo.git", None),
        ("https://git.example.com/hello.git", "hello"),
        ("https://you:token@git.example.com:8443/hello.git", "hello"),
        ("https://example.com/hello.git", None),
        ("https://git.example.com/owner/repo.git", None),
        ("ssh://me@example.com/hello.git", None),
        ("../hello.git", None),
        ("git@example.com:Hello.git", None),
    ],
)
def test_app_of_an_address(address, app):
    assert app_of(address) == app


def test_choosing_a_remote():
    two = {"staging": "hello-staging", "production": "hello"}
    assert choose({"hostd": "hello"}, None, None) == "hello"
    assert choose(two, "staging", None) == "hello-staging"
    assert choose(two, None, "production") == "hello"
    assert choose({"a": "hello", "b": "hello"}, None, "gone") == "hello"
    for remotes, wanted, words in (({}, None, "-a APP"), (two, None, "Several apps"), (two, "origin", "'origin'")):
        with pytest.raises(Usage, match=words):
            choose(remotes, wanted, None)


def test_a_real_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert not checkout.is_checkout()
    with pytest.raises(Usage):
        checkout.app_of_remote(None)
    subprocess.run(["git", "init", "-q", "."], check=True)
    subprocess.run(["git", "remote", "add", "origin", "git@github.com:me/hello.git"], check=True)
    checkout.set_remote("hostd", "ssh://git@localhost:2222/old.git")
    checkout.set_remote("hostd", "ssh://git@localhost:2222/hello.git")
    checkout.set_remote("staging", "git@localhost:hello-staging.git")
    assert checkout.is_checkout()
    assert checkout.remotes() == {"hostd": "hello", "staging": "hello-staging"}
    subprocess.run(["git", "config", "hostd.remote", "staging"], check=True)
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert checkout.app_of_remote(None) == "hello-staging"
    with pytest.raises(Refused, match="bad name"):
        checkout.set_remote("bad name", "git@localhost:x.git")
