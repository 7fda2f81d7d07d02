"""hostctl apps:setup, as its users see it."""

from __future__ import annotations

import json

import pytest
from cli_fakes import hostctl

URL = "https://example.com/app.tgz"


def setup(status="pending", **more):
    return {
        "app": {"id": "a1", "name": "hello"}, "build": None, "created_at": "2015-11-17T17:37:41Z",
        "failure_message": None, "id": "s1", "manifest_errors": [], "postdeploy": None, "resolved_success_url": None,
        "status": status, "updated_at": "2015-11-17T17:37:41Z", **more,
    }  # fmt: skip


@pytest.fixture
def begun(hostd):
    hostd.on("POST /app-setups", (202, setup()))
    return hostd


def test_a_setup_is_followed_to_its_end(tmp_path, begun):
    begun.on("GET /hostd/app-setups/s1/output", (200, "-----> Setup done\n"))
    begun.on("GET /app-setups/s1", (200, setup("succeeded", resolved_success_url="https://hello.example.com/welcome")))
    ran = hostctl(
        tmp_path, "setup", URL, "--name", "hello", "-e", "A=1=2", "-e", "B=", "-b", "heroku/go", "-s", "debian-12",
        "--version", "v1", "--checksum", "SHA256:00",
    )  # fmt: skip
    assert (ran.status, ran.err) == (0, "Setting up hello... hello is begun\n")
    assert ran.out == "-----> Setup done\nhttps://hello.example.com/welcome\n"
    assert begun.asked("POST /app-setups")[0].json == {
        "source_blob": {"url": URL, "version": "v1", "checksum": "SHA256:00"},
        "app": {"name": "hello", "stack": "debian-12"},
        "overrides": {"env": {"A": "1=2", "B": ""}, "buildpacks": [{"url": "heroku/go"}]},
    }


def test_one_that_failed_says_why_once(tmp_path, begun):
    failed = setup("failed", failure_message="app.json: name must be a text\napp.json: env must be an object")
    begun.on("GET /hostd/app-setups/s1/output", (200, " !     app.json: name must be a text\n"))
    begun.on("GET /app-setups/s1", (200, failed))
    ran = hostctl(tmp_path, "apps:setup", URL)
    assert (ran.status, ran.out) == (1, " !     app.json: name must be a text\n") and "must be" not in ran.err
    assert begun.asked("POST /app-setups")[0].json == {"source_blob": {"url": URL}}


def test_one_that_nobody_heard_the_end_of_is_asked_for(tmp_path, begun):
    begun.on("GET /hostd/app-setups/s1/output", (200, "-----> Downloading\n"))
    begun.on("GET /app-setups/s1", (200, setup("failed", failure_message="hostd was restarted.")))
    ran = hostctl(tmp_path, "apps:setup", URL)
    assert ran.status == 1 and ran.err.endswith(" !    hello was not set up:\n !    hostd was restarted.\n")


def test_json_is_the_setup_alone(tmp_path, begun):
    begun.on("GET /hostd/app-setups/s1/output", (200, "-----> Setup done\n"))
    begun.on("GET /app-setups/s1", (200, setup("succeeded")))
    assert json.loads(hostctl(tmp_path, "apps:setup", URL, "--json").out) == setup("succeeded")


def test_one_may_be_begun_and_left(tmp_path, begun):
    ran = hostctl(tmp_path, "apps:setup", URL, "--no-wait")
    assert (ran.status, ran.out) == (0, "s1\n") and "hostctl apps:setup:info s1" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-e", "A"), "A is not KEY=VALUE"),
        (("-e", "=1"), "=1 is not KEY=VALUE"),
        (("--wait", "--no-wait"), "which?"),
        (("--timeout", "5m"), "--timeout is for --wait"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(tmp_path, begun, words, said):
    ran = hostctl(tmp_path, "apps:setup", URL, *words)
    assert ran.status == 2 and said in ran.err and not begun.asked("POST /app-setups")


def test_a_setup_is_shown(tmp_path, hostd):
    found = setup(
        "failed",
        build={"id": "0b7f3a2c-8f1e", "output_stream_url": "x", "status": "succeeded"},
        failure_message="The postdeploy command failed with exit status 3.\nMore.",
        postdeploy={"exit_code": 3, "output": "one\n\x1b[31mtwo\n"},
    )
    hostd.on("GET /app-setups/s1", (200, found))
    shown = hostctl(tmp_path, "apps:setup:info", "s1").out
    assert shown.startswith("=== Setup of hello\n\n")
    assert "0b7f3a2c (succeeded)" in shown and "exit status 3. More." in shown and shown.endswith("[31mtwo\n")
    assert "\x1b" not in shown
    assert json.loads(hostctl(tmp_path, "apps:setup:info", "s1", "--json").out) == found
