"""What each command asks the API and prints, against a fake API."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_fakes import FakeHostd, app, dyno, hostctl, release

from hostd.cli import main
from hostd.cli.call import Surroundings

CONFLICT = (409, {"id": "conflict", "message": "The name hello is taken."})


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch, tmp_path):
    # Tests speak of UTC, and must not be in this project's checkout.
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def fake(tmp_path):
    with FakeHostd(tmp_path).on("GET /account", (200, {"email": "you@example.com"})).serving() as running:
        yield running


def test_apps_lists_own_and_others(fake, tmp_path):
    fake.on("GET /users/~/apps", (200, [app("alpha"), app("theirs", "kate@example.com"), app("beta")]))
    ran = hostctl(tmp_path, "apps")
    assert ran.out == (
        "=== you@example.com Apps\n\nalpha\nbeta\n\n=== Collaborated Apps\n\ntheirs  kate@example.com\n\n"
    )
    assert [a["name"] for a in json.loads(hostctl(tmp_path, "apps", "--json").out)] == ["alpha", "theirs", "beta"]
    assert hostctl(tmp_path, "list").out == ran.out


def test_apps_without_any(fake, tmp_path):
    fake.on("GET /users/~/apps", (200, []))
    ran = hostctl(tmp_path, "apps")
    assert (ran.status, ran.out) == (0, "")
    assert "apps:create" in ran.err


def test_create_prints_addresses_and_adds_a_remote(fake, tmp_path):
    fake.on("POST /apps", (201, app()))
    subprocess.run(["git", "init", "-q", "."], check=True)
    ran = hostctl(tmp_path, "create", "hello")
    assert ran.err == "Creating hello... done\nGit remote hostd added\n"
    assert ran.out == "http://hello.localhost/ | ssh://git@localhost:2222/hello.git\n"
    assert fake.asked("POST /apps")[0].json == {"name": "hello"}
    remotes = subprocess.run(["git", "remote", "-v"], capture_output=True, text=True, check=True).stdout
    assert "hostd\tssh://git@localhost:2222/hello.git (push)" in remotes


def test_create_makes_up_a_name(fake, tmp_path):
    fake.on("POST /apps", (201, app("dry-tundra-5039")))
    ran = hostctl(tmp_path, "apps:create")
    assert ran.err == "Creating app... done, dry-tundra-5039\n"
    assert fake.asked("POST /apps")[0].json == {}


def test_a_refusal_ends_the_line_and_explains(fake, tmp_path):
    fake.on("POST /apps", CONFLICT)
    ran = hostctl(tmp_path, "apps:create", "hello")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "Creating hello... failed\n !    The name hello is taken.\n"


def test_an_empty_word_is_refused_not_taken_for_a_missing_one(fake, tmp_path):
    for line in (["apps:create", ""], ["rollback", "", "-a", "hello"], ["apps:destroy", "", "--confirm", "hello"]):
        ran = hostctl(tmp_path, *line)
        assert (ran.status, fake.requests) == (2, [])
        assert " is empty. See: hostctl " in ran.err


def test_info(fake, tmp_path):
    fake.on("GET /apps/hello", (200, app()))
    fake.on("GET /apps/hello/dynos", (200, [dyno("web.1"), dyno("web.2"), dyno("run.1234"), dyno("run.1", "complete")]))
    people = [{"user": {"email": "you@example.com"}, "role": "owner"}, {"user": {"email": "kate@example.com"}}]
    fake.on("GET /apps/hello/collaborators", (200, people))
    packs = [{"ordinal": 0, "buildpack": {"name": "heroku/python", "url": "heroku/python"}}]
    fake.on("GET /apps/hello/buildpack-installations", (200, packs))
    gate = {"closed": True, "users": [{"name": "kate"}], "networks": ["10.0.0.0/8", "::1/128"]}
    fake.on("GET /hostd/apps/hello/gate", (200, gate))
    ran = hostctl(tmp_path, "info", "-a", "hello")
    assert ran.out == (
        "=== hello\n\n"
        "Access Gate:   1 user, 2 networks\n"
        "Buildpacks:    heroku/python\n"
        "Collaborators: kate@example.com\n"
        "Dynos:         run: 1, web: 2\n"
        "Git URL:       ssh://git@localhost:2222/hello.git\n"
        "Owner:         you@example.com\n"
        "Repo Size:     6.0 MB\n"
        "Slug Size:     66 KB\n"
        "Stack:         host\n"
        "Web URL:       http://hello.localhost/\n"
    )
    assert "web_url=http://hello.localhost/\n" in hostctl(tmp_path, "apps:info", "hello", "-s").out
    parts = {"app", "dynos", "collaborators", "buildpacks", "gate"}
    assert set(json.loads(hostctl(tmp_path, "apps:info", "hello", "-j").out)) == parts
    assert hostctl(tmp_path, "apps:info", "hello", "-a", "other").status == 2


def test_destroy_wants_the_name(fake, tmp_path):
    fake.on("GET /apps/hello", (200, app())).on("DELETE /apps/hello", (200, app()))
    ran = hostctl(tmp_path, "apps:destroy", "-a", "hello")
    assert ran.status == 1
    assert "--confirm hello" in ran.err
    assert hostctl(tmp_path, "destroy", "hello", "--confirm", "other").status == 1
    assert not fake.asked("DELETE /apps/hello")
    ran = hostctl(tmp_path, "destroy", "hello", "-c", "hello")
    assert (ran.status, ran.err) == (0, "Destroying hello... done\n")


def test_destroy_asks_on_a_terminal(fake, tmp_path):
    fake.on("GET /apps/hello", (200, app())).on("DELETE /apps/hello", (200, app()))
    assert hostctl(tmp_path, "destroy", "hello", stdin=b"no\n", terminal=True).status == 1
    assert not fake.asked("DELETE /apps/hello")
    assert hostctl(tmp_path, "destroy", "hello", stdin=b"hello\n", terminal=True).status == 0
    assert fake.asked("DELETE /apps/hello")


def test_rename_moves_the_remotes(fake, tmp_path):
    fake.on("PATCH /apps/hello", (200, app("world")))
    subprocess.run(["git", "init", "-q", "."], check=True)
    subprocess.run(["git", "remote", "add", "prod", "ssh://git@localhost:2222/hello.git"], check=True)
    ran = hostctl(tmp_path, "apps:rename", "world")
    assert ran.err == "Renaming hello to world... done\nGit remote prod updated\n"
    assert fake.asked("PATCH /apps/hello")[0].json == {"name": "world"}


def test_git_remote(fake, tmp_path):
    fake.on("GET /apps/hello", (200, app()))
    assert hostctl(tmp_path, "git:remote", "-a", "hello").status == 2
    assert hostctl(tmp_path, "git:remote", "-a", "hello", user="you@example.com").out == (
        "git remote add hostd ssh://git@localhost:2222/hello.git\n"
    )
    subprocess.run(["git", "init", "-q", "."], check=True)
    ran = hostctl(tmp_path, "git:remote", "-a", "hello", "-r", "staging")
    assert ran.err == "set git remote staging to ssh://git@localhost:2222/hello.git\n"


def test_config(fake, tmp_path):
    fake.on("GET /apps/hello/config-vars", (200, {"URL": "http://x", "A": "it's"}))
    assert hostctl(tmp_path, "config", "-a", "hello").out == "=== hello Config Vars\n\nA:   it's\nURL: http://x\n"
    assert hostctl(tmp_path, "config", "-sa", "hello").out == "A='it'\"'\"'s'\nURL=http://x\n"
    assert json.loads(hostctl(tmp_path, "config", "-j", HOSTD_APP="hello").out) == {"A": "it's", "URL": "http://x"}


def test_config_set_prints_the_release(fake, tmp_path):
    fake.on("PATCH /apps/hello/config-vars", (200, {"A": "1", "B": "x=y", "OLD": "o"}, {"Hostd-Release": "3"}))
    ran = hostctl(tmp_path, "config:set", "A=1", "B=x=y", "-a", "hello")
    assert ran.err == "Setting A, B and restarting hello... done, v3\n"
    assert ran.out == "A: 1\nB: x=y\n"
    assert fake.asked("PATCH /apps/hello/config-vars")[0].json == {"A": "1", "B": "x=y"}
    ran = hostctl(tmp_path, "config:set", "A", "-a", "hello")
    assert (ran.status, ran.err.splitlines()[0][:36]) == (2, " !    'A' must be in the form KEY=VA")


def test_config_get(fake, tmp_path):
    fake.on("GET /apps/hello/config-vars", (200, {"A": "1 2", "B": "x"}))
    ran = hostctl(tmp_path, "config:get", "A", "-a", "hello")
    assert (ran.status, ran.out, ran.err) == (0, "1 2\n", "")
    assert hostctl(tmp_path, "config:get", "A", "B", "-s", "-a", "hello").out == "A='1 2'\nB=x\n"
    ran = hostctl(tmp_path, "config:get", "NO", "-a", "hello")
    assert (ran.status, ran.out) == (1, "\n")


def test_config_unset_shows_warnings(fake, tmp_path):
    warning = {"Warning-Message": "hello has no config var B: nothing to unset.", "Hostd-Release": "4"}
    fake.on("PATCH /apps/hello/config-vars", (200, {}, warning))
    ran = hostctl(tmp_path, "config:remove", "A", "B", "-a", "hello")
    assert ran.err == (
        "Unsetting A, B and restarting hello... done, v4\n !    Warning: hello has no config var B: nothing to unset.\n"
    )
    assert fake.asked("PATCH /apps/hello/config-vars")[0].json == {"A": None, "B": None}


def test_ps_groups_dynos_by_type(fake, tmp_path):
    dynos = [
        dyno("web.10"),
        dyno("web.2", "crashed", "2015-11-17T18:37:37Z"),
        dyno("web.1", "up", "2015-11-17T18:37:40Z"),
        dyno("worker.1", "starting", "2015-11-17T18:37:40Z", command="python \x1b[31mworker.py", size="eco"),
        dyno("run.4821", command="bash"),
        dyno("run.5000", "complete", command="true"),
    ]
    fake.on("GET /apps/hello/dynos", (200, dynos))
    assert hostctl(tmp_path, "ps", "-a", "hello").out == (
        "=== web (Standard-1X): python app.py (3)\n\n"
        "web.1: up for 1s\n"
        "web.2: crashed for 4s\n"
        "web.10: up 2015/11/17 17:37:41 +0000 (~ 1h ago)\n\n"
        "=== worker (Eco): python \\x1b[31mworker.py (1)\n\n"
        "worker.1: starting for 1s\n\n"
        "=== run: one-off processes (1)\n\n"
        "run.4821 (Standard-1X): up 2015/11/17 17:37:41 +0000 (~ 1h ago): bash\n\n"
    )
    assert hostctl(tmp_path, "ps", "worker", "-a", "hello").out.startswith("=== worker")
    assert [d["name"] for d in json.loads(hostctl(tmp_path, "ps", "web", "--json", "-a", "hello").out)] == [
        "web.10", "web.2", "web.1",
    ]  # fmt: skip
    assert "run.5000" not in hostctl(tmp_path, "ps", "run", "-a", "hello").out
    assert "complete" in hostctl(tmp_path, "ps", "run.5000", "-a", "hello").out
    assert hostctl(tmp_path, "ps", "nope", "-a", "hello").err == "No dynos of type nope on hello\n"


def test_ps_says_when_a_crashed_dyno_starts_again(fake, tmp_path):
    crashed = dyno("web.1", "crashed", "2015-11-17T18:30:41Z", extended={"retry_at": "2015-11-17T18:39:41Z"})
    fake.on("GET /apps/hello/dynos", (200, [crashed]))
    assert "web.1: crashed for 7m, starts again in 2m\n" in hostctl(tmp_path, "ps", "-a", "hello").out


def test_ps_says_what_ends_and_what_an_older_release_still_does(fake, tmp_path):
    since, going = "2015-11-17T18:37:40Z", {"stopping": True}
    dynos = [
        dyno("web.1", "starting", since),
        dyno("web.1", "up", since, release={"version": 2}, extended={"serving": True}),
        dyno("web.2", "up", since, release={"version": 2}, extended=going),
        dyno("worker.1", "up", since, extended=going),
    ]
    fake.on("GET /apps/hello/dynos", (200, dynos))
    shown = hostctl(tmp_path, "ps", "-a", "hello").out.splitlines()
    assert [line for line in shown if " for 1s" in line] == [
        "web.1: starting for 1s",
        "web.1: up for 1s (serving, v2)",
        "web.2: up for 1s (stopping, v2)",
        "worker.1: up for 1s (stopping)",
    ]


def test_commands_are_cut_to_fit_a_terminal():
    from hostd.cli.output import Style
    from hostd.cli.ps import listing

    lines = listing(
        [dyno("web.1", command="x" * 200), dyno("run.1234", command="y" * 200)], 1447785461, Style(False), 80
    )
    assert max(map(len, lines)) == 80


def test_scale(fake, tmp_path):
    formation = [
        {"type": "web", "quantity": 3, "size": "Standard-2X"},
        {"type": "worker", "quantity": 1, "size": "Standard-1X"},
        {"type": "clock", "quantity": 0, "size": "Standard-1X"},
    ]
    fake.on("PATCH /apps/hello/formation", (200, formation)).on("GET /apps/hello/formation", (200, formation))
    ran = hostctl(tmp_path, "scale", "web=3:standard-2x", "worker+1", "-a", "hello")
    assert ran.err == "Scaling dynos... done, now running web at 3:Standard-2X, worker at 1:Standard-1X\n"
    assert fake.asked("PATCH /apps/hello/formation")[0].json == {
        "updates": [{"type": "web", "quantity": "3", "size": "standard-2x"}, {"type": "worker", "quantity": "+1"}]
    }
    assert hostctl(tmp_path, "ps:scale", "-a", "hello").out == (
        "web=3:Standard-2X worker=1:Standard-1X clock=0:Standard-1X\n"
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *((word, "is not a scale expression") for word in ("web", "web=", "=2", "web=2x", "web==2", "web=1:", "wéb=1")),
        ("web=-1", "web=-1 is below 0: a type has 0 to 100 dynos."),
        ("web=1000000", "web=1000000 is too much: a type has 0 to 100 dynos."),
        ("web=1:giant", "There is no dyno size 'giant'."),
    ],
    ids=str,
)
def test_wrong_scale_expressions_are_not_sent(fake, tmp_path, word, reason):
    ran = hostctl(tmp_path, "ps:scale", word, "-a", "hello")
    assert (ran.status, fake.requests) == (2, [])
    assert reason in ran.err


def test_an_app_without_process_types_has_nothing_to_scale(fake, tmp_path):
    fake.on("GET /apps/hello/formation", (200, []))
    ran = hostctl(tmp_path, "ps:scale", "-a", "hello")
    assert (ran.out, ran.err) == ("", "hello has no process types yet: push it first, then scale it.\n")


def test_types_with_dashes_scale(fake, tmp_path):
    fake.on("PATCH /apps/hello/formation", (200, []))
    hostctl(tmp_path, "ps:scale", "mail-2-1", "my-worker+2", "a-1=3", "-a", "hello")
    assert [tuple(u.values()) for u in fake.requests[0].json["updates"]] == [
        ("mail-2", "-1"), ("my-worker", "+2"), ("a-1", "3"),
    ]  # fmt: skip


def test_restart_and_stop(fake, tmp_path):
    fake.on("DELETE /apps/hello/dynos", (202, {})).on("DELETE /apps/hello/dynos/web.1", (202, {}))
    fake.on("DELETE /apps/hello/dynos/web", (202, {})).on("POST /apps/hello/dynos/run.1/actions/stop", (202, {}))
    said = [
        hostctl(tmp_path, *words, "-a", "hello").err
        for words in (["restart"], ["restart", "web.1"], ["ps:restart", "-p", "web"], ["ps:stop", "--dyno", "run.1"])
    ]
    assert said == [
        "Restarting all dynos on hello... done\n",
        "Restarting dyno web.1 on hello... done\n",
        "Restarting all web dynos on hello... done\n",
        "Stopping dyno run.1 on hello... done\n",
    ]
    assert hostctl(tmp_path, "stop", "-a", "hello").status == 2
    assert hostctl(tmp_path, "stop", "web.1", "-p", "web", "-a", "hello").status == 2


def test_releases(fake, tmp_path):
    found = [release(1, "Initial release"), release(2), release(3, "Set A config vars", current=True, status="failed")]
    fake.on("GET /apps/hello/releases", (200, found))
    assert hostctl(tmp_path, "releases", "-n", "2", "-a", "hello").out == (
        "=== hello Releases - Current: v3\n\n"
        "v3  Set A config vars (release command failed)  you@example.com  2015/11/17 17:37:41 +0000 (~ 1h ago)\n"
        "v2  Deploy 20a5742                              you@example.com  2015/11/17 17:37:41 +0000 (~ 1h ago)\n"
    )
    assert fake.requests[0].headers["Range"] == "version ..; max=2, order=desc"
    assert [r["version"] for r in json.loads(hostctl(tmp_path, "releases", "--json", "-a", "hello").out)] == [3, 2, 1]
    assert hostctl(tmp_path, "releases", "-n", "x", "-a", "hello").status == 2


def test_release_info_and_output(fake, tmp_path):
    fake.on("GET /apps/hello/releases/v3", (200, release(3))).on("GET /apps/hello/releases/current", (200, release(4)))
    fake.on("GET /apps/hello/releases/3/config-vars", (200, {"B": "2", "A": "1"}))
    fake.on("GET /apps/hello/releases/4/output", (200, "Migrated.\n"))
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


def test_rollback_goes_to_the_last_release_that_can_run(fake, tmp_path):
    found = [release(73), release(74, eligible_for_rollback=False), release(75, current=True)]
    fake.on("GET /apps/hello/releases", (200, found)).on("GET /apps/hello/releases/current", (200, found[2]))
    fake.on("POST /apps/hello/releases", (201, release(76), {"Hostd-Release": "76"}))
    ran = hostctl(tmp_path, "rollback", "-a", "hello")
    assert ran.err.splitlines()[0] == "Rolling back hello to v73... done, v76"
    assert ran.err.splitlines()[-1] == " !    To undo, run: hostctl rollback v75"
    assert fake.asked("POST /apps/hello/releases")[0].json == {"release": "id-73"}


def test_rollback_with_nothing_to_go_back_to(fake, tmp_path):
    found = [release(1), release(2, current=True)]
    fake.on("GET /apps/hello/releases", (200, found)).on("GET /apps/hello/releases/current", (200, found[1]))
    ran = hostctl(tmp_path, "rollback", "-a", "hello")
    assert (ran.status, ran.err) == (1, " !    There is no older release that could run: nothing to go back to.\n")


def test_verify(fake, tmp_path):
    good, bad = {"ok": True, "problems": []}, {"ok": False, "problems": ["hello v3: altered"]}
    fake.on("GET /hostd/releases/verify", (200, good), (200, bad))
    assert hostctl(tmp_path, "releases:verify").status == 0
    ran = hostctl(tmp_path, "releases:verify")
    assert (ran.status, ran.out) == (1, "hello v3: altered\n")


def test_status(fake, tmp_path):
    parts = [
        {"name": "router", "status": "ok", "detail": "2 up"},
        {"name": "pool", "status": "degraded", "detail": "x"},
    ]
    fake.on("GET /hostd/status", (200, {"status": "degraded", "version": "0.1.0", "components": parts}))
    ran = hostctl(tmp_path, "status")
    assert (ran.status, ran.out) == (1, "=== hostd 0.1.0: degraded\n\nrouter  ok        2 up\npool    degraded  x\n")


def test_version_works_without_a_daemon(fake, tmp_path):
    fake.on("GET /hostd/version", (200, {"version": "0.1.0"}))
    assert hostctl(tmp_path, "--version").out.splitlines()[1] == "hostd/0.1.0"
    ran = hostctl(tmp_path / "nowhere", "version")
    assert (ran.status, ran.out.splitlines()[1]) == (0, "hostd does not answer")


def test_colours_on_a_terminal_only(fake, tmp_path):
    fake.on("GET /apps/hello/config-vars", (200, {"A": "1"}))
    assert "\x1b[" in hostctl(tmp_path, "config", "-a", "hello", terminal=True, TERM="xterm").out
    assert "\x1b[" not in hostctl(tmp_path, "config", "-a", "hello", terminal=True, TERM="xterm", NO_COLOR="1").out


def test_a_reader_that_has_gone_is_no_error(fake, tmp_path):
    fake.on("GET /apps/hello/config-vars", (200, {"A": "x" * 100_000}))
    reader, writer = os.pipe()
    os.close(reader)
    out = os.fdopen(writer, "w")
    around = Surroundings({"HOSTD_RUN_DIR": str(tmp_path)}, io.StringIO(), out, io.StringIO())
    assert main(["config", "-a", "hello"], around) == 0
    with contextlib.suppress(BrokenPipeError):
        out.close()


def test_as_a_program(fake, tmp_path):
    fake.on("GET /apps/hello/config-vars", (200, {str(n): "x" * 1000 for n in range(1000)}))
    program = "import sys; from hostd.cli import main; sys.exit(main())"
    command = f"{sys.executable} -c '{program}' config -a hello | head -n 1; echo ${{PIPESTATUS[0]}}"
    env = {"HOSTD_RUN_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env)
    assert (done.stdout, done.stderr) == ("=== hello Config Vars\n0\n", "")
