"""Apps and config vars on the command line, and what holds for every command, against a fake API."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_fakes import app, as_a_program, dyno, hostctl

from hostd.cli import main
from hostd.cli.call import Surroundings

TAKEN = (422, {"id": "invalid_params", "message": "Name hello is already taken."})


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    # Not in this project's checkout.
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def hostd(hostd):
    return hostd.on("GET /account", (200, {"email": "you@example.com"}))


def test_apps_lists_own_and_others(hostd, tmp_path):
    hostd.on("GET /users/~/apps", (200, [app("alpha"), app("theirs", "kate@example.com"), app("beta")]))
    ran = hostctl(tmp_path, "apps")
    assert ran.out == (
        "=== you@example.com Apps\n\nalpha\nbeta\n\n=== Collaborated Apps\n\ntheirs  kate@example.com\n\n"
    )
    assert [a["name"] for a in json.loads(hostctl(tmp_path, "apps", "--json").out)] == ["alpha", "theirs", "beta"]
    assert hostctl(tmp_path, "list").out == ran.out


def test_apps_without_any(hostd, tmp_path):
    hostd.on("GET /users/~/apps", (200, []))
    ran = hostctl(tmp_path, "apps")
    assert (ran.status, ran.out) == (0, "")
    assert "apps:create" in ran.err


def test_create_prints_addresses_and_adds_a_remote(hostd, tmp_path):
    hostd.on("POST /apps", (201, app()))
    subprocess.run(["git", "init", "-q", "."], check=True)
    ran = hostctl(tmp_path, "create", "hello")
    assert ran.err == "Creating hello... done\nGit remote hostd added\n"
    assert ran.out == "http://hello.localhost/ | ssh://git@localhost:2222/hello.git\n"
    assert hostd.asked("POST /apps")[0].json == {"name": "hello"}
    remotes = subprocess.run(["git", "remote", "-v"], capture_output=True, text=True, check=True).stdout
    assert "hostd\tssh://git@localhost:2222/hello.git (push)" in remotes


def test_create_makes_up_a_name(hostd, tmp_path):
    hostd.on("POST /apps", (201, app("dry-tundra-5039")))
    ran = hostctl(tmp_path, "apps:create")
    assert ran.err == "Creating app... done, dry-tundra-5039\n"
    assert hostd.asked("POST /apps")[0].json == {}


def test_a_refusal_ends_the_line_and_explains(hostd, tmp_path):
    hostd.on("POST /apps", TAKEN)
    ran = hostctl(tmp_path, "apps:create", "hello")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "Creating hello... failed\n !    Name hello is already taken.\n"


def test_an_empty_word_is_refused_not_taken_for_a_missing_one(hostd, tmp_path):
    for line in (["apps:create", ""], ["rollback", "", "-a", "hello"], ["apps:destroy", "", "--confirm", "hello"]):
        ran = hostctl(tmp_path, *line)
        assert (ran.status, hostd.requests) == (2, [])
        assert " is empty. See: hostctl " in ran.err


def test_info(hostd, tmp_path):
    hostd.on("GET /apps/hello", (200, app()))
    dynos = [dyno("web.1"), dyno("web.2"), dyno("run.1234"), dyno("run.1", "complete")]
    hostd.on("GET /apps/hello/dynos", (200, dynos))
    people = [{"user": {"email": "you@example.com"}, "role": "owner"}, {"user": {"email": "kate@example.com"}}]
    hostd.on("GET /apps/hello/collaborators", (200, people))
    packs = [{"ordinal": 0, "buildpack": {"name": "heroku/python", "url": "heroku/python"}}]
    hostd.on("GET /apps/hello/buildpack-installations", (200, packs))
    gate = {"closed": True, "users": [{"name": "kate"}], "networks": ["10.0.0.0/8", "::1/128"]}
    hostd.on("GET /hostd/apps/hello/gate", (200, gate))
    ran = hostctl(tmp_path, "info", "-a", "hello")
    assert ran.out == (
        "=== hello\n\n"
        "Access Gate:   1 user, 2 networks\n"
        "Buildpacks:    heroku/python\n"
        "Collaborators: kate@example.com\n"
        "Dynos:         run: 1, web: 2\n"
        "Git URL:       https://git.localhost:8443/hello.git\n"
        "Owner:         you@example.com\n"
        "Repo Size:     6.0 MB\n"
        "SSH URL:       ssh://git@localhost:2222/hello.git\n"
        "Slug Size:     66 KB\n"
        "Stack:         host\n"
        "Web URL:       http://hello.localhost/\n"
    )
    assert "web_url=http://hello.localhost/\n" in hostctl(tmp_path, "apps:info", "hello", "-s").out
    parts = {"app", "dynos", "collaborators", "buildpacks", "gate"}
    assert set(json.loads(hostctl(tmp_path, "apps:info", "hello", "-j").out)) == parts
    assert hostctl(tmp_path, "apps:info", "hello", "-a", "other").status == 2


def test_destroy_wants_the_name(hostd, tmp_path):
    hostd.on("GET /apps/hello", (200, app())).on("DELETE /apps/hello", (200, app()))
    ran = hostctl(tmp_path, "apps:destroy", "-a", "hello")
    assert ran.status == 1
    assert "--confirm hello" in ran.err
    assert hostctl(tmp_path, "destroy", "hello", "--confirm", "other").status == 1
    assert not hostd.asked("DELETE /apps/hello")
    ran = hostctl(tmp_path, "destroy", "hello", "-c", "hello")
    assert (ran.status, ran.err) == (0, "Destroying hello... done\n")


def test_destroy_asks_on_a_terminal(hostd, tmp_path):
    hostd.on("GET /apps/hello", (200, app())).on("DELETE /apps/hello", (200, app()))
    assert hostctl(tmp_path, "destroy", "hello", stdin=b"no\n", terminal=True).status == 1
    assert not hostd.asked("DELETE /apps/hello")
    assert hostctl(tmp_path, "destroy", "hello", stdin=b"hello\n", terminal=True).status == 0
    assert hostd.asked("DELETE /apps/hello")


def test_rename_moves_the_remotes(hostd, tmp_path):
    hostd.on("PATCH /apps/hello", (200, app("world")))
    subprocess.run(["git", "init", "-q", "."], check=True)
    subprocess.run(["git", "remote", "add", "prod", "ssh://git@localhost:2222/hello.git"], check=True)
    ran = hostctl(tmp_path, "apps:rename", "world")
    assert ran.err == "Renaming hello to world... done\nGit remote prod updated\n"
    assert hostd.asked("PATCH /apps/hello")[0].json == {"name": "world"}


def test_git_remote(hostd, tmp_path):
    hostd.on("GET /apps/hello", (200, app()))
    assert hostctl(tmp_path, "git:remote", "-a", "hello").status == 2
    assert hostctl(tmp_path, "git:remote", "-a", "hello", user="you@example.com").out == (
        "git remote add hostd ssh://git@localhost:2222/hello.git\n"
    )
    subprocess.run(["git", "init", "-q", "."], check=True)
    ran = hostctl(tmp_path, "git:remote", "-a", "hello", "-r", "staging")
    assert ran.err == "set git remote staging to ssh://git@localhost:2222/hello.git\n"
    ran = hostctl(tmp_path, "git:remote", "-a", "hello", "--https")
    assert ran.err == "set git remote hostd to https://git.localhost:8443/hello.git\n"
    assert hostctl(tmp_path, "git:remote", "-a", "hello", "--https", "--ssh").status == 2
    hostd.on("PATCH /apps/hello", (200, app("world")))
    renamed = hostctl(tmp_path, "apps:rename", "world", "-a", "hello").err
    assert "Git remote hostd updated" in renamed and "Git remote staging updated" in renamed
    urls = {name: subprocess.run(["git", "remote", "get-url", name], capture_output=True, text=True, check=True).stdout
            for name in ("hostd", "staging")}
    assert urls == {"hostd": "https://git.localhost:8443/world.git\n",
                    "staging": "ssh://git@localhost:2222/world.git\n"}  # fmt: skip


def test_git_clone(hostd, tmp_path, monkeypatch):
    hostd.on("GET /apps/hello", (200, {**app(), "ssh_url": str(tmp_path / "origin.git")}))
    over_ssh = hostctl(tmp_path, "git:clone", "-a", "hello", user="you@example.com")
    assert over_ssh.out == f"git clone -o hostd {tmp_path / 'origin.git'}\n"
    assert hostctl(tmp_path, "git:clone", "-a", "hello").status == 1
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "origin.git")], check=True)
    monkeypatch.chdir(tmp_path)
    assert hostctl(tmp_path, "git:clone", "-a", "hello", "here", "-r", "prod").status == 0
    names = subprocess.run(["git", "-C", "here", "remote"], capture_output=True, text=True, check=True).stdout
    assert names == "prod\n"


def test_config(hostd, tmp_path):
    hostd.on("GET /apps/hello/config-vars", (200, {"URL": "http://x", "A": "it's"}))
    assert hostctl(tmp_path, "config", "-a", "hello").out == "=== hello Config Vars\n\nA:   it's\nURL: http://x\n"
    assert hostctl(tmp_path, "config", "-sa", "hello").out == "A='it'\"'\"'s'\nURL=http://x\n"
    assert json.loads(hostctl(tmp_path, "config", "-j", HOSTD_APP="hello").out) == {"A": "it's", "URL": "http://x"}


def test_config_set_prints_the_release(hostd, tmp_path):
    hostd.on("PATCH /apps/hello/config-vars", (200, {"A": "1", "B": "x=y", "OLD": "o"}, {"Hostd-Release": "3"}))
    ran = hostctl(tmp_path, "config:set", "A=1", "B=x=y", "-a", "hello")
    assert ran.err == "Setting A, B and restarting hello... done, v3\n"
    assert ran.out == "A: 1\nB: x=y\n"
    assert hostd.asked("PATCH /apps/hello/config-vars")[0].json == {"A": "1", "B": "x=y"}
    ran = hostctl(tmp_path, "config:set", "A", "-a", "hello")
    assert (ran.status, ran.err.splitlines()[0][:36]) == (2, " !    'A' must be in the form KEY=VA")


def test_config_get(hostd, tmp_path):
    hostd.on("GET /apps/hello/config-vars", (200, {"A": "1 2", "B": "x"}))
    ran = hostctl(tmp_path, "config:get", "A", "-a", "hello")
    assert (ran.status, ran.out, ran.err) == (0, "1 2\n", "")
    assert hostctl(tmp_path, "config:get", "A", "B", "-s", "-a", "hello").out == "A='1 2'\nB=x\n"
    ran = hostctl(tmp_path, "config:get", "NO", "-a", "hello")
    assert (ran.status, ran.out) == (1, "\n")


def test_config_unset_shows_warnings(hostd, tmp_path):
    warning = {"Warning-Message": "hello has no config var B: nothing to unset.", "Hostd-Release": "4"}
    hostd.on("PATCH /apps/hello/config-vars", (200, {}, warning))
    ran = hostctl(tmp_path, "config:remove", "A", "B", "-a", "hello")
    assert ran.err == (
        "Unsetting A, B and restarting hello... done, v4\n !    Warning: hello has no config var B: nothing to unset.\n"
    )
    assert hostd.asked("PATCH /apps/hello/config-vars")[0].json == {"A": None, "B": None}


def test_status(hostd, tmp_path):
    parts = [
        {"name": "router", "status": "ok", "detail": "2 up"},
        {"name": "pool", "status": "degraded", "detail": "x"},
    ]
    hostd.on("GET /hostd/status", (200, {"status": "degraded", "version": "0.1.0", "components": parts}))
    ran = hostctl(tmp_path, "status")
    assert (ran.status, ran.out) == (1, "=== hostd 0.1.0: degraded\n\nrouter  ok        2 up\npool    degraded  x\n")


def test_version_works_without_a_daemon(hostd, tmp_path):
    hostd.on("GET /hostd/version", (200, {"version": "0.1.0"}))
    assert hostctl(tmp_path, "--version").out.splitlines()[1] == "hostd/0.1.0"
    ran = hostctl(tmp_path / "nowhere", "version")
    assert (ran.status, ran.out.splitlines()[1]) == (0, "hostd does not answer")


def test_colours_on_a_terminal_only(hostd, tmp_path):
    hostd.on("GET /apps/hello/config-vars", (200, {"A": "1"}))
    assert "\x1b[" in hostctl(tmp_path, "config", "-a", "hello", terminal=True, TERM="xterm").out
    assert "\x1b[" not in hostctl(tmp_path, "config", "-a", "hello", terminal=True, TERM="xterm", NO_COLOR="1").out


def test_a_reader_that_has_gone_is_no_error(hostd, tmp_path):
    hostd.on("GET /apps/hello/config-vars", (200, {"A": "x" * 100_000}))
    reader, writer = os.pipe()
    os.close(reader)
    out = os.fdopen(writer, "w")
    around = Surroundings({"HOSTD_RUN_DIR": str(tmp_path)}, io.StringIO(), out, io.StringIO())
    assert main(["config", "-a", "hello"], around) == 0
    with contextlib.suppress(BrokenPipeError):
        out.close()


def test_a_full_disk_is_said(hostd, tmp_path):
    hostd.on("GET /apps/hello/config-vars", (200, {"A": "x"}))
    program = "import sys; from hostd.cli import main; sys.exit(main())"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, "config", "-a", "hello"],
            stdout=full, stderr=subprocess.PIPE, text=True, env=as_a_program(tmp_path), check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, " !    Not everything could be written: No space left on device.\n")


def test_as_a_program(hostd, tmp_path):
    hostd.on("GET /apps/hello/config-vars", (200, {str(n): "x" * 1000 for n in range(1000)}))
    program = "import sys; from hostd.cli import main; sys.exit(main())"
    command = f"{sys.executable} -c '{program}' config -a hello | head -n 1; echo ${{PIPESTATUS[0]}}"
    env = as_a_program(tmp_path)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env)
    assert (done.stdout, done.stderr) == ("=== hello Config Vars\n0\n", "")


def test_streams_that_are_closed_take_nothing_and_are_no_error(hostd, tmp_path):
    hostd.on("GET /apps/hello/config-vars", (200, {"A": "1"}))
    program = "import sys; from hostd.cli import main; sys.exit(main())"
    command = f"{sys.executable} -c '{program}' config -a hello <&- >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=as_a_program(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("line", "address"), [([], ""), (["admin"], "admin"), (["/admin?x=1"], "admin?x=1")])
def test_open_prints_the_address_where_no_browser_is(hostd, tmp_path, line, address):
    hostd.on("GET /apps/hello", (200, app()))
    assert hostctl(tmp_path, "open", "-a", "hello", *line).out == f"http://hello.localhost/{address}\n"


def test_open_opens_a_browser_on_ones_own_machine(hostd, tmp_path, monkeypatch):
    opened = []
    hostd.on("GET /apps/hello", (200, app()))
    with hostd.listening() as port:
        far = {"HOSTD_HOST": f"http://127.0.0.1:{port}", "HOSTD_TOKEN": "x"}
        for works in (True, False):
            monkeypatch.setattr("webbrowser.open", lambda address, works=works: opened.append(address) or works)
            ran = hostctl(tmp_path, "open", "-a", "hello", **far)
            assert ran.out == ("" if works else "http://hello.localhost/\n")
    assert opened == ["http://hello.localhost/"] * 2
