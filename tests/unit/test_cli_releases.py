"""Releases and rollback on the command line: what is asked of the API and what is printed, against a fake API."""

import json

from cli_fakes import hostctl, release


def test_releases(hostd, tmp_path):
    found = [release(1, "Initial release"), release(2), release(3, "Set A config vars", current=True, status="failed")]
    hostd.on("GET /apps/hello/releases", (200, found))
    assert hostctl(tmp_path, "releases", "-n", "2", "-a", "hello").out == (
        "=== hello Releases - Current: v3\n\n"
        "v3  Set A config vars (release command failed)  you@example.com  2015/11/17 17:37:41 +0000 (~ 1h ago)\n"
        "v2  Deploy 20a5742                              you@example.com  2015/11/17 17:37:41 +0000 (~ 1h ago)\n"
    )
    assert hostd.requests[0].headers["Range"] == "version ..; max=2, order=desc"
    assert [r["version"] for r in json.loads(hostctl(tmp_path, "releases", "--json", "-a", "hello").out)] == [3, 2, 1]
    assert hostctl(tmp_path, "releases", "-n", "x", "-a", "hello").status == 2


def test_release_info_and_output(hostd, tmp_path):
    hostd.on("GET /apps/hello/releases/v3", (200, release(3))).on("GET /apps/hello/releases/current", (200, release(4)))
    hostd.on("GET /apps/hello/releases/3/config-vars", (200, {"B": "2", "A": "1"}))
    hostd.on("GET /apps/hello/releases/4/output", (200, "Migrated.\n"))
    assert hostctl(tmp_path, "releases:info", "v3", "-a", "hello").out == (
        "=== Release v3\n\n"
        "By:                     you@example.com\n"
        "Change:                 Deploy 20a5742\n"
        "Eligible for Rollback?: Yes\n"
        "Status:                 succeeded\n"
        "When:                   2015/11/17 17:37:41 +0000 (~ 1h ago)\n\n"
        "=== v3 Config vars\n\nA: 1\nB: 2\n"
    )
    assert hostctl(tmp_path, "releases:info", "v3", "--shell", "-a", "hello").out == "A=1\nB=2\n"
    assert hostctl(tmp_path, "releases:output", "-a", "hello").out == "Migrated.\n"


def test_rollback_goes_to_the_last_release_that_can_run(hostd, tmp_path):
    found = [release(73), release(74, eligible_for_rollback=False), release(75, current=True)]
    hostd.on("GET /apps/hello/releases", (200, found)).on("GET /apps/hello/releases/current", (200, found[2]))
    hostd.on("POST /apps/hello/releases", (201, release(76), {"Hostd-Release": "76"}))
    ran = hostctl(tmp_path, "rollback", "-a", "hello")
    assert ran.err.splitlines()[0] == "Rolling back hello to v73... done, v76"
    assert ran.err.splitlines()[-1] == " !    To undo, run: hostctl rollback v75"
    assert hostd.asked("POST /apps/hello/releases")[0].json == {"release": "id-73"}


def test_rollback_with_nothing_to_go_back_to(hostd, tmp_path):
    found = [release(1), release(2, current=True)]
    hostd.on("GET /apps/hello/releases", (200, found)).on("GET /apps/hello/releases/current", (200, found[1]))
    ran = hostctl(tmp_path, "rollback", "-a", "hello")
    assert (ran.status, ran.err) == (1, " !    There is no older release that could run: nothing to go back to.\n")


def test_verify(hostd, tmp_path):
    good, bad = {"ok": True, "problems": []}, {"ok": False, "problems": ["hello v3: altered"]}
    hostd.on("GET /hostd/releases/verify", (200, good), (200, bad))
    assert hostctl(tmp_path, "releases:verify").status == 0
    ran = hostctl(tmp_path, "releases:verify")
    assert (ran.status, ran.out) == (1, "hello v3: altered\n")


def test_the_release_command_is_retried(hostd, tmp_path):
    current = release(10, description="Deploy abc", slug={"id": "51"})
    hostd.on("GET /apps/hello/releases/current", (200, current))
    hostd.on("GET /apps/hello/formation", (200, [{"type": "web"}, {"type": "release"}]))
    hostd.on("POST /apps/hello/releases", (201, release(11), {"Hostd-Release": "11"}))
    hostd.on("GET /apps/hello/releases/11/output", (200, "migrated\n"))
    ran = hostctl(tmp_path, "releases:retry", "-a", "hello")
    assert (ran.out, ran.status) == ("migrated\n", 0)
    assert hostd.asked("POST /apps/hello/releases")[0].json == {"slug": "51", "description": "Retry of v10: Deploy abc"}
    hostd.on("GET /apps/hello/formation", (200, [{"type": "web"}]))
    refused = hostctl(tmp_path, "releases:retry", "-a", "hello")
    assert refused.status == 1 and "hello has no release command" in refused.err
