"""The commands for stacks: what they ask the API and print, against a fake API."""

from __future__ import annotations

import json
from typing import Any

from cli_fakes import app, hostctl, release


def version(number: str, *apps: str, **more: Any) -> dict[str, Any]:
    known = {"current": False, "app_count": len(apps), "created_at": "2015-11-17T17:37:41Z"}
    return {"version": number, "apps": list(apps), **known, **more}


HOST = {"name": "host", "version": "12.11", "system": "debian-12", "versions": [version("12.11", current=True)]}
DEBIAN = {
    "name": "debian-12",
    "version": "20151117.2",
    "system": "debian-12",
    "versions": [version("20151117.2", "hello", current=True, app_count=3), version("20151117.1", "old")],
}


def told(said: bytes, last: dict[str, Any] | None):
    """An answer that is told as it comes, and that breaks off if it has no last line."""

    def answer(handler, request):
        request.body = handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.begin_stream()
        for piece in filter(None, (said[:9], said[9:])):
            handler.chunk(piece)
        if last is not None:
            handler.chunk(b"\0" + json.dumps(last).encode()[:5])
            handler.chunk(json.dumps(last).encode()[5:] + b"\n")
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def test_stacks(hostd, tmp_path):
    hostd.on("GET /stacks", (200, [HOST, DEBIAN]))
    assert hostctl(tmp_path, "stacks").out.splitlines() == [
        "=== Stacks",
        "",
        "host       12.11       no apps",
        "debian-12  20151117.2  4 apps",
    ]
    assert json.loads(hostctl(tmp_path, "stacks", "--json").out) == [HOST, DEBIAN]


def test_stacks_info(hostd, tmp_path):
    hostd.on("GET /stacks/debian-12", (200, DEBIAN)).on("GET /stacks/host", (200, HOST))
    hostd.on("GET /hostd/stacks/debian-12/packages", (200, {"openssl": "3.0", "bash": "5.2"}))
    hostd.on("GET /hostd/stacks/host/packages", (200, None))
    shown = hostctl(tmp_path, "stacks:info", "debian-12").out
    assert "Current version: 20151117.2\nPackages:        2\n" in shown
    assert "20151117.2  current  " in shown and "(~ 1h ago)  hello, 2 of others\n" in shown
    assert hostctl(tmp_path, "stacks:info", "debian-12", "-p").out == "bash     5.2\nopenssl  3.0\n"
    assert "those of the server" in hostctl(tmp_path, "stacks:info", "host").out
    assert "dpkg -l" in hostctl(tmp_path, "stacks:info", "host", "-p").err


def test_stacks_create_tells_what_is_done(hostd, tmp_path):
    hostd.on("POST /hostd/stacks", told(b"-----> Making it\n       step\n", {"stack": "debian-12@1", "moved": []}))
    ran = hostctl(tmp_path, "stacks:create", "debian-12")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == "-----> Making it\n       step\n-----> debian-12@1 is current\n"
    assert hostd.asked("POST /hostd/stacks")[0].json == {"name": "debian-12"}


def test_what_is_refused_fails_or_breaks_off(hostd, tmp_path):
    hostd.on(
        "POST /hostd/stacks",
        (409, {"id": "conflict", "message": "It is there."}),
        told(b"-----> Making it\n", {"id": "unavailable", "message": "The mirror is\naway."}),
        told(b"-----> Making it\n", None),
    )
    assert hostctl(tmp_path, "stacks:create", "debian-12").err == " !    It is there.\n"
    failed = hostctl(tmp_path, "stacks:create", "debian-12")
    assert (failed.status, failed.err) == (1, "-----> Making it\n !    The mirror is\n !    away.\n")
    broken = hostctl(tmp_path, "stacks:create", "debian-12")
    assert broken.status == 1 and "hostd went away before it was done" in broken.err


def test_stacks_update_names_apps_that_stay(hostd, tmp_path):
    moved = [
        {"app": "hello", "release": 3, "trouble": None},
        {"app": "world", "release": 5, "trouble": "v4 did not come up"},
    ]
    hostd.on("GET /stacks", (200, [HOST, DEBIAN]))
    hostd.on("POST /hostd/stacks/debian-12/versions", told(b"-----> Making it\n", {"stack": "s@2", "moved": moved}))
    ran = hostctl(tmp_path, "stacks:update")
    assert ran.status == 1
    assert "-----> s@2 is current, 1 app moved\n !    Not moved: world. See: hostctl logs -a world\n" in ran.err
    hostctl(tmp_path, "stacks:update", "debian-12", "--force")
    bodies = [request.json for request in hostd.asked("POST /hostd/stacks/debian-12/versions")]
    assert bodies == [{"force": False}, {"force": True}]


def test_stacks_update_to_a_version_and_rollback(hostd, tmp_path):
    hostd.on("PATCH /hostd/stacks/debian-12", told(b"", {"stack": "debian-12@1", "moved": []}))
    assert hostctl(tmp_path, "stacks:update", "debian-12", "--to", "1").status == 0
    assert hostctl(tmp_path, "stacks:rollback", "debian-12").status == 0
    bodies = [request.json for request in hostd.asked("PATCH /hostd/stacks/debian-12")]
    assert bodies == [{"version": "1"}, {"version": None}]
    for words in (("--to", "1"), ("debian-12", "--to", "1", "--force")):
        assert hostctl(tmp_path, "stacks:update", *words).status == 2


def test_stacks_destroy_wants_the_name(hostd, tmp_path):
    hostd.on("DELETE /hostd/stacks/debian-12", (200, {"destroyed": []}))
    assert hostctl(tmp_path, "stacks:destroy", "debian-12").status == 1
    assert hostd.requests == []
    assert hostctl(tmp_path, "stacks:destroy", "debian-12", "-c", "debian-12").err == "Destroying debian-12... done\n"


def test_stack_and_stack_set(hostd, tmp_path):
    chosen = app(stack={"name": "host"}, build_stack={"name": "debian-12"})
    hostd.on("GET /apps/hello", (200, chosen)).on("GET /stacks", (200, [HOST, DEBIAN]))
    hostd.on("PATCH /apps/hello", (200, chosen))
    assert hostctl(tmp_path, "stack", "-a", "hello").out == (
        "=== hello Available Stacks\n\n* host\n  debian-12 (active on next deploy)\n"
    )
    ran = hostctl(tmp_path, "stack:set", "debian-12", "-a", "hello")
    assert ran.err == (
        "Setting stack to debian-12... done\n"
        "You will need to redeploy hello for the change to take effect.\n"
        "Run git push hostd main to trigger a new build on hello.\n"
    )
    assert hostd.asked("PATCH /apps/hello")[0].json == {"build_stack": "debian-12"}


def test_apps_are_created_for_a_stack(hostd, tmp_path):
    hostd.on("POST /apps", (201, app()))
    assert hostctl(tmp_path, "apps:create", "hello", "--no-remote", "--stack", "debian-12").status == 0
    assert hostd.asked("POST /apps")[0].json == {"name": "hello", "stack": "debian-12"}


def test_releases_show_the_stack_once_an_app_has_left_the_host(hostd, tmp_path):
    hostd.on("GET /apps/hello/releases", (200, [release(2, stack="host@12.11"), release(1, stack=None)]))
    assert "host@12.11" not in hostctl(tmp_path, "releases", "-a", "hello").out
    hostd.on("GET /apps/hello/releases", (200, [release(3, stack="debian-12@1"), release(2, stack="host@12.11")]))
    assert "  debian-12@1\n" in hostctl(tmp_path, "releases", "-a", "hello").out
