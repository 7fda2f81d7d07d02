"""addons and its kin, regions, and the registry of buildpacks, against a fake API."""

from __future__ import annotations

import base64
import json

from cli_fakes import hostctl

PYTHON = {"namespace": "heroku", "name": "python", "category": "languages", "description": "Python, with pip"}
APT = {"namespace": "heroku", "name": "apt", "category": "tools", "description": "Debian packages"}


def test_there_are_no_addons(hostd, tmp_path):
    hostd.on("GET /apps/hello/addons", (200, [])).on("GET /addons", (200, [])).on("GET /addon-services", (200, []))
    assert hostctl(tmp_path, "addons", "-a", "hello").out == "No add-ons for app hello.\n"
    assert hostctl(tmp_path, "addons", "--all").out == "No add-ons.\n"
    assert hostctl(tmp_path, "addons:services").out == "There are no add-on services on this server.\n"
    assert hostctl(tmp_path, "addons", "-A", "--json").out == "[]\n"


def test_addons_that_there_are_one_day(hostd, tmp_path):
    one = {"app": {"name": "hello"}, "name": "db-1", "plan": {"name": "postgres:small"}, "state": "provisioned"}
    hostd.on("GET /apps/hello/addons", (200, [one]))
    hostd.on("GET /addon-services", (200, [{"name": "postgres", "human_name": "Postgres", "state": "ga"}]))
    hostd.on("GET /addon-services/postgres/plans", (200, [{"default": True, "name": "small", "human_name": "Small"}]))
    assert hostctl(tmp_path, "addons", "-a", "hello").out.splitlines()[1].split() == [
        "hello", "db-1", "postgres:small", "provisioned"
    ]  # fmt: skip
    assert hostctl(tmp_path, "addons:services").out.splitlines()[1].split() == ["postgres", "Postgres", "ga"]
    assert hostctl(tmp_path, "addons:plans", "postgres").out.splitlines()[1].split() == ["*", "small", "Small"]


def test_where_no_app_is_named_the_addons_of_all_apps_are_meant(hostd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostd.on("GET /addons", (200, [])).on("GET /apps/hello/addons", (200, []))
    assert hostctl(tmp_path, "addons").out == "No add-ons.\n"
    assert hostctl(tmp_path, "addons", user="you@example.com").out == "No add-ons.\n"
    assert hostctl(tmp_path, "addons", HOSTD_APP="hello").out == "No add-ons for app hello.\n"
    # Not "Did you mean apps:create": there is nothing that could have been meant.
    assert "there are no add-ons on this platform yet" in hostctl(tmp_path, "addons:create", "x", "-a", "hello").err


def test_regions(hostd, tmp_path):
    found = [{"name": "local", "description": "This server, example.com", "private_capable": False}]
    hostd.on("GET /regions", (200, found))
    assert hostctl(tmp_path, "regions").out.splitlines() == [
        "ID     Location                  Runtime",
        "local  This server, example.com  Common Runtime",
    ]
    assert json.loads(hostctl(tmp_path, "regions", "--json").out) == found


def test_buildpacks_are_searched_and_explained(hostd, tmp_path):
    content = base64.b64encode(b"Python. See docs.\n").decode()
    hostd.on("GET /buildpacks", (200, [APT, PYTHON]))
    hostd.on("GET /buildpacks/heroku%2Fpython", (200, PYTHON))
    hostd.on("GET /buildpacks/heroku%2Fpython/readme", (200, {"content": content, "encoding": "base64"}))
    revisions = [{"release": 1, "created_at": "1970-01-01T00:00:00Z", "status": "published"}]
    hostd.on("GET /buildpacks/heroku%2Fpython/revisions", (200, revisions))
    assert [line.split()[0] for line in hostctl(tmp_path, "buildpacks:search").out.splitlines()] == [
        "Buildpack", "heroku/apt", "heroku/python"
    ]  # fmt: skip
    assert "heroku/apt" not in hostctl(tmp_path, "buildpacks:search", "PIP").out
    assert hostctl(tmp_path, "buildpacks:search", "cobol").out == "No buildpacks found\n"
    assert hostctl(tmp_path, "buildpacks:info", "heroku/python").out == "=== heroku/python\n\nPython. See docs.\n"
    assert hostctl(tmp_path, "buildpacks:versions", "heroku/python").out.splitlines()[1].split()[0] == "1"
