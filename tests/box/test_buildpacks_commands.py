"""Choosing buildpacks: in order, checked at the door, and what the next build makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.support.api import Client
from tests.support.endless import WEB
from tests.support.platform import Platform

Repository = Callable[..., Path]


def test_the_chosen_buildpack_builds_and_is_recorded(platform: Platform, app: str, repository: Repository) -> None:
    chosen = platform.ssh("buildpacks:set", "procfile", "-a", app)
    assert chosen.stdout == (
        f"Buildpack set. Next release on {app} will use heroku/procfile.\n"
        "Run git push hostd main to create a new release using this buildpack.\n"
    )
    assert platform.ssh("buildpacks", "-a", app).stdout == f"=== {app} Buildpack\n\nheroku/procfile\n"
    shown = [line.split() for line in platform.hostctl("apps:info", app).stdout.splitlines()]
    assert ["Buildpacks:", "heroku/procfile"] in shown
    # Without a choice this would be an app in Python.
    directory = repository({**WEB, "requirements.txt": "", "index.html": "hello\n"})
    assert "Python app detected" not in platform.push(directory, app).stderr
    assert platform.http_get(app).text == "hello\n"
    build = json.loads(platform.hostctl("builds:info", "-a", app, "--json").stdout)
    assert [pack["name"] for pack in build["buildpacks"]] == ["heroku/procfile"]
    cleared = platform.ssh("buildpacks:clear", "-a", app)
    assert cleared.stdout == f"Buildpacks cleared. Next release on {app} will detect buildpacks normally.\n"
    assert "Set buildpacks to none by" in platform.hostctl("logs", "-a", app).stdout


def test_several_buildpacks_keep_their_order(platform: Platform, app: str) -> None:
    def listed() -> list[str]:
        found = json.loads(platform.hostctl("buildpacks", "-a", app, "--json").stdout)
        return [entry["buildpack"]["url"] for entry in found]

    for words, after in (
        (["set", "heroku/python"], "heroku/python"),
        (["add", "https://kate:s3cret@example.com/pack.git#v1"], "heroku/python PACK"),
        (["add", "procfile", "-i", "1"], "heroku/procfile heroku/python PACK"),
        (["remove", "python"], "heroku/procfile PACK"),
        (["set", "python", "-i", "2"], "heroku/procfile heroku/python"),
        (["remove", "-i", "1"], "heroku/python"),
        (["clear"], ""),
    ):
        verb, *rest = words
        said = platform.hostctl(f"buildpacks:{verb}", *rest, "-a", app).stdout
        assert "s3cret" not in said
        assert listed() == after.replace("PACK", "https://kate:s3cret@example.com/pack.git#v1").split()
    assert "s3cret" not in platform.hostctl("logs", "-n", "100", "-a", app).stdout


def test_wrong_buildpacks_are_refused_at_the_door(platform: Platform, app: str) -> None:
    platform.hostctl("buildpacks:set", "python", "-a", app)
    for verb, words, reason in (
        ("add", ["heroku/pyton"], 'There is no buildpack "heroku/pyton". Bundled are'),
        ("add", ["heroku/python"], "The buildpack heroku/python is named twice."),
        ("add", ["git@example.com:kate/pack.git"], "needs an ssh key"),
        ("set", ["/etc"], "There is no buildpack"),
        ("set", ["file:///etc/passwd"], "is not an address"),
        ("set", ["https://example.com/pack.git#--upload-pack=id"], "is not a branch"),
        ("remove", ["nodejs"], "Buildpack nodejs not found. Nothing was removed."),
    ):
        refused = platform.hostctl(f"buildpacks:{verb}", *words, "-a", app, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert reason in refused.stderr
    assert platform.hostctl("buildpacks", "-a", app).stdout.endswith("\nheroku/python\n")


def test_an_app_is_created_with_its_buildpacks_or_not_at_all(platform: Platform) -> None:
    name = "with-buildpacks"
    wrong = platform.hostctl("apps:create", name, "--buildpack", "nonsense", check=False)
    assert wrong.returncode == 1
    assert name not in platform.hostctl("apps", "--all").stdout
    platform.hostctl("apps:create", name, "-b", "procfile", "--buildpack", "python")
    try:
        said = platform.hostctl("buildpacks", "-a", name).stdout
        assert said == f"=== {name} Buildpacks\n\n1. heroku/procfile\n2. heroku/python\n"
    finally:
        platform.hostctl("apps:destroy", name, "--confirm", name)


def test_the_api_takes_what_herokus_client_sends(platform: Platform, app: str) -> None:
    client = Client(platform.machine.run_directory)
    address = f"/apps/{app}/buildpack-installations"
    updates = {"updates": [{"buildpack": "urn:buildpack:heroku/python"}]}
    set_ = client.request("PUT", address, updates, headers={"Range": ""}).data
    assert set_ == [{"buildpack": {"name": "heroku/python", "url": "heroku/python"}, "ordinal": 0}]
    assert client.get(address) == set_
