"""Pipelines: what one app runs is released on others, as it is, and stays theirs."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.platform import Platform
from tests.support.waiting import wait_until

NAME = f"pipe-{uuid.uuid4().hex[:6]}"
STAGING, ONE, OTHER = f"{NAME}-staging", f"{NAME}-one", f"{NAME}-other"
SERVER = """\
import http.server, os, pathlib
os.chmod("private", 0o600)  # only its owner can
pathlib.Path("written").write_text(pathlib.Path("private").read_text() + os.environ.get("WHERE", "nowhere"))
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        body = pathlib.Path("written").read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
FILES: dict[str, str | bytes] = {
    "Procfile": (
        "web: python3 server.py\nworker: sleep 999\n"
        'release: echo "migrating $WHERE"; [ "$WHERE" != waiting ] || sleep 600; [ "$WHERE" != broken ]\n'
    ),
    "server.py": SERVER,
    "private": "one ",
    "requirements.txt": "",
}


@pytest.fixture(scope="module", autouse=True)
def ready(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Three apps in a pipeline, the first of which has code."""
    for app in (STAGING, ONE, OTHER):
        platform.ssh("apps:create", app)
    platform.ssh("config:set", "WHERE=staging", "-a", STAGING)
    platform.ssh("config:set", "WHERE=one", "-a", ONE)
    platform.ssh("config:set", "WHERE=broken", "-a", OTHER)
    try:
        files = FILES | {"large": os.urandom(5 << 20)}
        platform.push(platform.commit(files, tmp_path_factory.mktemp("pipeline") / "app"), STAGING)
        platform.ssh("pipelines:create", NAME, "-s", "staging", "-a", STAGING)
        for app in (ONE, OTHER):
            platform.ssh("pipelines:add", NAME, "-s", "production", "-a", app)
        yield
    finally:
        platform.ssh("pipelines:destroy", NAME, "--confirm", NAME, check=False)
        for app in (STAGING, ONE, OTHER):
            platform.hostctl("apps:destroy", "-a", app, "--confirm", app, check=False)


def asked(platform: Platform, *words: str) -> Any:
    return json.loads(platform.ssh(*words, "--json").stdout)


def current_slug(platform: Platform, app: str) -> Any:
    return asked(platform, "slugs:info", "current", "-a", app)


def page(platform: Platform, app: str) -> bytes:
    return platform.http_get(app, "/").body


def test_the_pipeline_is_shown(platform: Platform) -> None:
    shown = platform.ssh("pipelines:info", NAME).stdout
    assert f"=== {NAME}" in shown and f"owner: {platform.user.email}" in shown
    rows = [line.split() for line in shown.splitlines() if NAME in line and not line.startswith("===")]
    assert rows == [[STAGING, "staging"], [ONE, "production"], [OTHER, "production"]]
    assert NAME in platform.ssh("pipelines").stdout.splitlines()


def test_one_target_gets_its_release_and_the_one_that_fails_says_why(platform: Platform) -> None:
    before = asked(platform, "releases", "-a", OTHER)
    ran = platform.ssh("pipelines:promote", "-a", STAGING, check=False)
    assert ran.returncode == 1 and "=== Promotion to some apps failed" in ran.stdout, ran
    rows = dict(line.split(": ", 1) for line in ran.stdout.splitlines() if line.startswith(NAME))
    assert rows[ONE].strip() == "succeeded"
    assert "failed: The release command failed with exit status 1" in rows[OTHER]
    assert asked(platform, "releases", "-a", OTHER) == before
    wait_until(lambda: page(platform, ONE) == b"one one", 60)
    assert page(platform, STAGING) == b"one staging"
    source, copy = current_slug(platform, STAGING), current_slug(platform, ONE)
    assert copy["commit"] == source["commit"] and copy["checksum"] == source["checksum"]
    assert copy["id"] != source["id"]
    newest = asked(platform, "releases", "-a", ONE)[0]
    assert newest["description"].startswith(f"Promote {STAGING} v") and newest["user"]["email"] == platform.user.email
    assert "migrating one" in platform.ssh("releases:output", "-a", ONE).stdout
    formation = {each["type"]: each["quantity"] for each in asked(platform, "ps:scale", "-a", ONE)}
    assert formation["web"] == 1 and formation["worker"] == 0


def test_hardly_any_room_is_taken(platform: Platform) -> None:
    usage = current_slug(platform, ONE)["usage"]
    assert usage["shared"] >= 4 << 20 > 4 * usage["exclusive"]


def test_an_app_that_is_deployed_to_is_left_alone_and_is_free_again(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = FILES | {"Procfile": "web: python3 server.py\nrelease: until [ -e /app/never ]; do sleep 1; done\n"}
    directory = platform.commit(files, tmp_path_factory.mktemp("slow") / "app")
    argv = ["git", "push", platform.git_url(OTHER), "main"]
    with subprocess.Popen(
        argv, cwd=directory, env=platform.git_environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as push:  # fmt: skip
        wait_until(lambda: releasing(platform), 120)
        ran = platform.ssh("pipelines:promote", "--to", OTHER, "-a", STAGING, check=False)
        push.terminate()
    assert ran.returncode == 1 and f"{platform.user.email} is deploying" in ran.stdout
    wait_until(lambda: platform.ssh("config:set", "WHERE=fine", "-a", OTHER, check=False).returncode == 0, 60)
    ran = platform.ssh("pipelines:promote", "--to", OTHER, "-a", STAGING)
    assert "=== Promotion successful" in ran.stdout and "migrating fine" in ran.stdout
    wait_until(lambda: page(platform, OTHER) == b"one fine", 60)


def test_a_killed_hostd_leaves_a_promotion_that_says_so(platform: Platform) -> None:
    platform.ssh("config:set", "WHERE=waiting", "-a", OTHER)
    releases, slugs = asked(platform, "releases", "-a", OTHER), pool(platform)
    argv = platform.remote_command("pipelines:promote", "--to", OTHER, "-a", STAGING)
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as promoting:
        wait_until(lambda: releasing(platform), 60)
        there = pool(platform)
        platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
        out, err = promoting.communicate(timeout=120)
    assert there - slugs
    assert promoting.returncode == 1 and "hostd was restarted during the promotion. Promote again." in out, out + err
    assert asked(platform, "releases", "-a", OTHER) == releases
    wait_until(lambda: pool(platform) <= slugs, 30)
    platform.ssh("config:set", "WHERE=again", "-a", OTHER)
    assert "=== Promotion successful" in platform.ssh("pipelines:promote", "--to", OTHER, "-a", STAGING).stdout


def releasing(platform: Platform) -> bool:
    """Whether a release command runs; one that has ended is shown for a while too."""
    shown = platform.ssh("ps", "-a", OTHER).stdout
    return any(line.startswith("release.") and ": up" in line for line in shown.splitlines())


def pool(platform: Platform) -> set[str]:
    """The slugs that lie in the pool."""
    return set(platform.run(["ls", "/var/lib/hostd/pool/slugs"]).stdout.split())


def test_the_stages_are_compared(platform: Platform) -> None:
    compared = asked(platform, "pipelines:diff", "-a", STAGING)
    assert [target["same"] for target in compared["targets"]] == [True, True]
    assert "is up to date with" in platform.ssh("pipelines:diff", "-a", STAGING).stdout


def test_a_target_stays_when_its_source_is_gone(platform: Platform) -> None:
    platform.ssh("pipelines:remove", "-a", STAGING)
    platform.hostctl("apps:destroy", "-a", STAGING, "--confirm", STAGING)
    platform.hostctl("slugs:gc")
    platform.ssh("ps:restart", "-a", ONE)
    wait_until(lambda: page(platform, ONE) == b"one one", 60)
    platform.ssh("config:set", "WHERE=later", "-a", ONE)
    wait_until(lambda: page(platform, ONE) == b"one later", 60)
