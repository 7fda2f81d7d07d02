"""hostctl builds and buildpacks, as their users see them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli_fakes import FakeHostd, Handler, Request, hostctl

PACKS = "/apps/hello/buildpack-installations"


def build(number: str = "0b7f3a2c", status: str = "succeeded", **more: Any) -> dict[str, Any]:
    extended = {
        "buildpacks": [{"name": "heroku/python", "ref": "", "commit": ""}],
        "cancelled": False,
        "ended_at": "2015-11-17T17:38:53Z",
        "reason": None,
        "report": None,
        "release_version": 2 if status == "succeeded" else None,
        "source": "git push",
    }
    return {
        "id": f"{number}-0000-4000-8000-000000000000",
        "status": status,
        "created_at": "2015-11-17T17:37:41Z",
        "source_blob": {"version": "20a5742" + "0" * 33},
        "stack": "host@12.11",
        "user": {"email": "you@example.com"},
        "extended": extended | more,
    }


def test_builds_are_listed(tmp_path, hostd):
    cancelled = build("1c", "failed", cancelled=True, source="tarball")
    cancelled["source_blob"]["version"] = None
    hostd.on("GET /apps/hello/builds", (200, [cancelled, build()]))
    ran = hostctl(tmp_path, "builds", "-a", "hello")
    assert ran.out.splitlines()[:2] == ["=== hello Builds", ""]
    first, second = (line.split() for line in ran.out.splitlines()[2:])
    assert first[:5] == ["1c-0000-", "cancelled", "-", "tarball", "you@example.com"]
    assert second[:6] == ["0b7f3a2c", "succeeded", "v2", "20a5742", "git", "push"]
    assert hostd.requests[0].headers["Range"] == "started_at ..; max=15, order=desc"
    assert json.loads(hostctl(tmp_path, "builds", "-a", "hello", "--json").out) == [cancelled, build()]
    hostd.on("GET /apps/hello/builds", (200, []))
    assert "hello was never built" in hostctl(tmp_path, "builds", "-a", "hello").err


def test_a_build_is_shown(tmp_path, hostd):
    hostd.on("GET /apps/hello/builds/current", (200, build(reason="it \x1b[2J failed")))
    shown = hostctl(tmp_path, "builds:info", "-a", "hello").out
    assert shown.startswith("=== Build 0b7f3a2c\n\nBuildpacks: heroku/python\nBy:         you@example.com\n")
    assert "Reason:     it \\x1b[2J failed\n" in shown
    assert "Release:    v2\n" in shown
    assert "Took:       1m12s\n" in shown
    assert "report" not in shown
    assert json.loads(hostctl(tmp_path, "builds:info", "-a", "hello", "--json").out)["status"] == "succeeded"
    hostd.on("GET /apps/hello/builds/current", (200, build(status="failed", report="version: 3\ntool: \x1b[1mx")))
    ran = hostctl(tmp_path, "builds:info", "-a", "hello")
    assert ran.out.endswith("\n\nBuildpacks report:\n  version: 3\n  tool: \\x1b[1mx\n")
    assert "What it printed: hostctl builds:output 0b7f3a2c -a hello" in ran.err


def test_the_output_of_a_build_comes_as_it_is_made(tmp_path, hostd):
    def stream(handler: Handler, _request: Request) -> None:
        handler.begin_stream()
        for piece in (b"-----> Python ", b"app detected\n"):
            handler.chunk(piece)
        handler.chunk(b"")

    whole = build()["id"]
    hostd.on("GET /apps/hello/builds/0b7", (200, build(status="pending")))
    hostd.on(f"GET /apps/hello/builds/{whole}/output", stream)
    hostd.on(f"GET /apps/hello/builds/{whole}", (200, build()), (200, build(status="failed")))
    for status in (0, 1):
        ran = hostctl(tmp_path, "builds:output", "0b7", "-a", "hello")
        assert (ran.status, ran.out) == (status, "-----> Python app detected\n")


def test_an_output_that_breaks_off_says_how_to_go_on(tmp_path, hostd):
    def broken(handler: Handler, _request: Request) -> None:
        handler.begin_stream()
        handler.chunk(b"-----> Building\n")
        handler.close_connection = True

    hostd.on("GET /apps/hello/builds/current", (200, build(status="pending")))
    hostd.on(f"GET /apps/hello/builds/{build()['id']}/output", broken)
    ran = hostctl(tmp_path, "builds:output", "-a", "hello")
    assert ran.status == 1
    assert "Go on with: hostctl builds:output 0b7f3a2c -a hello" in ran.err


def test_a_build_is_cancelled(tmp_path, hostd):
    hostd.on("GET /apps/hello/builds/current", (200, build(status="pending")))
    hostd.on(f"DELETE /apps/hello/builds/{build()['id']}", (202, build(status="pending")))
    ran = hostctl(tmp_path, "builds:cancel", "-a", "hello")
    assert (ran.status, ran.err) == (0, "Cancelling build 0b7f3a2c of hello... done\n")
    hostd.on(f"DELETE /apps/hello/builds/{build()['id']}", (409, {"id": "conflict", "message": "It has made v2."}))
    assert hostctl(tmp_path, "builds:cancel", "-a", "hello").status == 1


def test_the_time_that_builds_may_take(tmp_path, hostd):
    settings = "/hostd/apps/hello/build-settings"
    hostd.on(f"GET {settings}", (200, {"timeout": None, "default": 900}), (200, {"timeout": 5400, "default": 900}))
    hostd.on(f"PATCH {settings}", (200, {}))
    assert hostctl(tmp_path, "builds:timeout", "-a", "hello").out == "15m (default)\n"
    assert hostctl(tmp_path, "builds:timeout", "-a", "hello").out == "1h30m\n"
    for word, sent in (("30m", 1800), ("90s", 90), ("45", 45), ("default", None)):
        assert hostctl(tmp_path, "builds:timeout", word, "-a", "hello").status == 0
        assert hostd.asked(f"PATCH {settings}")[-1].json == {"timeout": sent}
    assert hostctl(tmp_path, "builds:timeout", "never", "-a", "hello").status == 2


class Packs:
    """A fake hostd that keeps buildpacks, and the names it gives to them."""

    def __init__(self, hostd: FakeHostd, *urls: str) -> None:
        self.urls = list(urls)
        hostd.on(f"GET {PACKS}", lambda handler, _: handler.say(200, self.installed(), {}))
        hostd.on(f"PUT {PACKS}", self.put)

    def installed(self) -> list[dict[str, Any]]:
        return [{"ordinal": place, "buildpack": {"name": url, "url": url}} for place, url in enumerate(self.urls)]

    def put(self, handler: Handler, _request: Request) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.urls = [update["buildpack"] for update in body["updates"]]
        handler.say(200, self.installed(), {})


def test_buildpacks_are_listed(tmp_path, hostd):
    packs = Packs(hostd)
    assert hostctl(tmp_path, "buildpacks", "-a", "hello").out == "hello has no Buildpacks.\n"
    packs.urls = ["heroku/python"]
    assert hostctl(tmp_path, "buildpacks", "-a", "hello").out == "=== hello Buildpack\n\nheroku/python\n"
    packs.urls = ["heroku/nodejs", "https://kate:s3cret@example.com/pack.git#v1"]
    assert hostctl(tmp_path, "buildpacks", "-a", "hello").out == (
        "=== hello Buildpacks\n\n1. heroku/nodejs\n2. https://***@example.com/pack.git#v1\n"
    )
    assert json.loads(hostctl(tmp_path, "buildpacks", "-a", "hello", "--json").out) == packs.installed()


@pytest.mark.parametrize(
    ("before", "words", "after"),
    [
        ("", "set python", "python"),
        ("a b c", "set x", "x b c"),
        ("a b c", "set x y", "x y c"),
        ("a b", "set x -i 2", "a x"),
        ("a b", "set x y -i 3", "a b x y"),
        ("a", "add x", "a x"),
        ("a b", "add x y -i 1", "x y a b"),
        ("a b", "add x -i 3", "a b x"),
        ("heroku/python b", "remove python", "b"),
        ("a b", "remove b", "a"),
        ("a b c", "remove -i 2", "a c"),
        ("a", "remove a", ""),
        ("a b", "clear", ""),
    ],
)
def test_buildpacks_are_changed_in_order(tmp_path, hostd, before, words, after):
    packs = Packs(hostd, *before.split())
    hostd.on("GET /apps/hello/config-vars", (200, {}))
    verb, *rest = words.split()
    ran = hostctl(tmp_path, f"buildpacks:{verb}", *rest, "-a", "hello")
    assert ran.status == 0, ran.err
    assert packs.urls == after.split()


def test_what_was_changed_is_said_as_heroku_says_it(tmp_path, hostd):
    Packs(hostd)
    hostd.on("GET /apps/hello/config-vars", (200, {}), (200, {"BUILDPACK_URL": "https://example.com/pack.git"}))
    assert hostctl(tmp_path, "buildpacks:set", "heroku/python", "-a", "hello").out == (
        "Buildpack set. Next release on hello will use heroku/python.\n"
        "Run git push hostd main to create a new release using this buildpack.\n"
    )
    assert hostctl(tmp_path, "buildpacks:add", "heroku/nodejs", "-a", "hello").out == (
        "Buildpack added. Next release on hello will use:\n  1. heroku/python\n  2. heroku/nodejs\n"
        "Run git push hostd main to create a new release using these buildpacks.\n"
    )
    assert hostctl(tmp_path, "buildpacks:clear", "-a", "hello").out == (
        "Buildpacks cleared. Next release on hello will detect buildpacks normally.\n"
    )
    still = hostctl(tmp_path, "buildpacks:clear", "-a", "hello")
    assert still.out == "Buildpacks cleared.\n"
    assert "The BUILDPACK_URL config var is still set and will be used for the next release." in still.err


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        ("remove", 2, "either a buildpack or its --index"),
        ("remove a -i 1", 2, "either a buildpack or its --index"),
        ("remove c", 1, "Buildpack c not found. Nothing was removed."),
        ("remove -i 3", 2, "--index must be a number from 1 to 2"),
        ("set", 2, "BUILDPACK is missing"),
        ("set x -i 0", 2, "--index must be a number from 1 to 3"),
        ("add x -i 4", 2, "--index must be a number from 1 to 3"),
    ],
)
def test_wrong_words_change_nothing(tmp_path, hostd, words, status, reason):
    packs = Packs(hostd, "a", "b")
    verb, *rest = words.split()
    ran = hostctl(tmp_path, f"buildpacks:{verb}", *rest, "-a", "hello")
    assert (ran.status, reason in ran.err) == (status, True), ran.err
    assert packs.urls == ["a", "b"]
