"""hostctl local: Procfiles on one's own machine. The processes are real, and quick."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_fakes import as_a_program, hostctl

from hostd.local import crew
from hostd.local.environment import EnvError, parse
from hostd.local.plan import PlanError, Process, base_port, environment, formation, processes

TYPES = {"worker": "w", "web": "b", "release": "r"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


# What is planned


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], {"worker": 1, "web": 1}),
        (["web"], {"web": 1}),
        (["web=2,worker=0"], {"web": 2, "worker": 0}),
        (["web=2", "release"], {"web": 2, "release": 1}),
        (["all=2,web=1"], {"worker": 2, "web": 1}),
    ],
)
def test_which_processes_are_wanted(words, wanted):
    assert formation(words, list(TYPES)) == wanted


@pytest.mark.parametrize("word", ["web=", "web=x", "=1", "nope", "web=101", "web=-1", "web:2"])
def test_what_cannot_be_wanted(word):
    with pytest.raises(PlanError):
        formation([word], list(TYPES))


def test_ports_are_foremans():
    planned = processes({**TYPES, "clock": "c"}, {"web": 2, "worker": 1, "clock": 1}, 5000)
    assert [(each.name, each.port) for each in planned] == [
        ("worker.1", 5000), ("web.1", 5100), ("web.2", 5101), ("clock.1", 5300),
    ]  # fmt: skip
    for wanted, base in (({"web": 0}, 5000), ({"web": 1}, 65500)):
        with pytest.raises(PlanError):
            processes(TYPES, wanted, base)


def test_the_first_port_is_the_flags_or_a_files_or_the_environments():
    assert base_port("7000", {"PORT": "1"}) == 7000
    assert base_port(None, {}, {"PORT": "8000"}) == 8000
    assert base_port(None, {"PORT": "6000"}, {"PORT": "8000"}) == 6000
    assert base_port(None, {}) == 5000
    for wrong in ("", "0", "65536", "x", "٣"):
        with pytest.raises(PlanError):
            base_port(wrong)


def test_files_go_before_the_environment_and_the_port_before_all():
    env = environment(Process("web.1", "x", 5000), {"A": "file", "PORT": "1"}, {"A": "outer", "B": "2"})
    assert env == {"A": "file", "B": "2", "PORT": "5000", "PS": "web.1", "PYTHONUNBUFFERED": "1"}


def test_variables_of_a_file():
    content = (
        "\ufeff# comment\n\nA=1\nexport B = two words \nC='as $it \\n is'\n"
        'D="line\\nnext \\"x\\" \\\\"\nE=\nF=a=b#c\nA=last\r\nG=\'\n'
    )
    assert parse(content, ".env") == {
        "A": "last", "B": "two words", "C": "as $it \\n is", "D": 'line\nnext "x" \\', "E": "", "F": "a=b#c", "G": "'",
    }  # fmt: skip


@pytest.mark.parametrize("line", ["secret", "1A=secret", "A B=secret", "=secret", "A=sec\0ret"])
def test_a_wrong_line_is_named_and_its_value_is_not(line):
    with pytest.raises(EnvError, match=r"^my\.env, line 2: ") as caught:
        parse(f"X=1\n{line}", "my.env")
    assert "secret" not in str(caught.value)
    assert "\0" not in str(caught.value)


# What runs


def test_output_has_the_time_and_a_name_and_the_first_to_end_ends_all(folder):
    (folder / "Procfile").write_text("web: echo on $PORT $GREETING; exec sleep 1000\nlong-worker: read x; exit 7\n")
    (folder / ".env").write_text("GREETING=hello\n")
    ran = hostctl(folder, "local")
    assert ran.status == 7
    assert all(re.match(r"\d\d:\d\d:\d\d (system|web\.1|long-worker\.1) *\| ", line) for line in ran.out.splitlines())
    assert len({line.index("|") for line in ran.out.splitlines()}) == 1
    assert "long-worker.1 ended with status 7" in ran.out
    assert "web.1 ended with status 143 by SIGTERM" in ran.out
    assert "\x1b" not in ran.out


def test_everything_written_is_shown_before_the_end(folder):
    (folder / "Procfile").write_text("web: seq 5000; printf 'no line end'\n")
    ran = hostctl(folder, "local")
    shown = [line.partition("| ")[2] for line in ran.out.splitlines() if " web.1  | " in line]
    assert shown == [*map(str, range(1, 5001)), "no line end"]
    assert ran.status == 0


def test_a_terminal_gets_a_colour_for_each_name(folder):
    (folder / "Procfile").write_text("a: echo x; read x\nb: sleep 1000\n")
    out = hostctl(folder, "local", terminal=True, TERM="xterm").out
    assert re.search("\x1b\\[36m\\S+ a.1    \\| \x1b\\[0mx\n", out)
    assert "\x1b[" not in hostctl(folder, "local", terminal=True, TERM="xterm", NO_COLOR="1").out


def test_ctrl_c_reaches_what_the_processes_have_started(folder):
    (folder / "Procfile").write_text("web: sleep 1000 & echo $! > child; echo up; wait\n")
    with _running(folder) as child:
        _until(child, "up")
        child.send_signal(signal.SIGINT)
        out = child.stdout.read()
        assert child.wait(20) == 130
    assert "SIGINT received" in out
    assert not _lives(int((folder / "child").read_text()))


def test_who_does_not_end_is_killed_after_the_time(folder):
    (folder / "Procfile").write_text("web: trap '' TERM; echo up; while :; do sleep 0.1; done\n")
    with _running(folder, "-t", "1") as child:
        _until(child, "up")
        child.terminate()
        out = child.stdout.read()
        assert child.wait(20) == 143
    assert "web.1 did not end within 1 s" in out


def test_who_was_killed_and_reaped_meanwhile_is_no_fault():
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    told = []
    crew._wait("web.1", child, told.append)
    assert told == []


def test_ctrl_c_again_does_not_wait(folder):
    (folder / "Procfile").write_text("web: trap 'echo never' INT TERM; echo up; while :; do sleep 0.1; done\n")
    with _running(folder, "-t", "3600") as child:
        _until(child, "up")
        child.send_signal(signal.SIGINT)
        _until(child, "SIGINT received")
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130


def test_the_status_is_that_of_a_signal_too(folder):
    (folder / "Procfile").write_text("web: kill -9 $$\n")
    assert hostctl(folder, "local").status == 137


def test_nothing_goes_on_when_nobody_reads(folder):
    (folder / "Procfile").write_text("web: echo $$ > pid; while :; do echo x; sleep 0.05; done\n")
    with _running(folder) as child:
        _until(child, "| x")
        child.stdout.close()
        assert child.wait(20) == 0
    assert not _lives(int((folder / "pid").read_text()))


def test_processes_run_where_the_procfile_is(folder):
    (folder / "app").mkdir()
    (folder / "app" / "Procfile.dev").write_text("web: pwd\n")
    assert f"| {folder / 'app'}\n" in hostctl(folder, "local", "-f", "app/Procfile.dev").out


def test_package_json_stands_in_for_a_procfile(folder):
    (folder / "package.json").write_text('{"scripts": {"start": "node x"}}')
    ran = hostctl(folder, "local:check", "--json")
    assert json.loads(ran.out)["processes"] == {"web": "npm start"}
    (folder / "package.json").write_text("[]")
    assert hostctl(folder, "local:check").status == 1


def test_check_names_processes_and_variables_without_values(folder):
    (folder / "Procfile").write_text("web: a\nrelease: b\n")
    (folder / ".env").write_text("KEY=secret\n")
    assert hostctl(folder, "local:check").out == "Valid Procfile: web, release\nVariables: KEY\n"


@pytest.mark.parametrize(
    ("procfile", "env", "line", "message", "status"),
    [
        (None, None, [], "There is no Procfile.", 1),
        ("web: a", None, ["-f", "other"], "There is no other.", 1),
        ("web: a", None, ["-e", "other"], "There is no other.", 1),
        ("web", None, [], "Procfile, line 1: no colon", 1),
        ("", None, [], "Procfile declares no process", 1),
        ("web: a", "x", [], ".env, line 1: no equals sign", 1),
        ("web: a", None, ["web=x"], "must be TYPE or TYPE=NUMBER", 2),
        ("web: a", None, ["-p", "x"], "A port must be", 2),
        ("release: a", None, [], "no process to run", 2),
    ],
)
def test_what_cannot_be_run_says_why(folder, procfile, env, line, message, status):
    if procfile is not None:
        (folder / "Procfile").write_text(procfile)
    if env is not None:
        (folder / ".env").write_text(env)
    ran = hostctl(folder, "local", *line)
    assert (ran.status, ran.out) == (status, "")
    assert message in ran.err


@pytest.mark.thorough
def test_run_has_the_variables_the_terminal_and_the_status(folder):
    (folder / ".env").write_text("GREETING=hello\n")
    (folder / "other").write_text("GREETING=other\nPORT=7\n")
    done = _program(folder, "local:run", "read x; echo $x $GREETING $PORT; exit 5", input="typed\n")
    assert (done.returncode, done.stdout) == (5, "typed hello 5000\n")
    assert _program(folder, "local:run", "-e", "other", "echo $GREETING $PORT").stdout == "other 7\n"
    assert _program(folder, "local:run", "echo", "a  b").stdout == "a  b\n"


def test_it_is_for_ones_own_machine(folder):
    for line in (["local"], ["local:run", "x"], ["local:check"]):
        assert "not over ssh" in hostctl(folder, *line, user="you@example.com").err


def test_other_commands_load_nothing_of_it(tmp_path):
    program = "import sys; from hostd.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], env=as_a_program(tmp_path), capture_output=True, text=True)
    assert not [name for name in done.stderr.split() if name.startswith(("hostd.local", "buildpacks"))]


_PROGRAM = (sys.executable, "-c", "import sys; from hostd.cli import main; sys.exit(main())")


@contextlib.contextmanager
def _running(folder, *flags):
    child = subprocess.Popen(
        (*_PROGRAM, "local", *flags), cwd=folder, env=as_a_program(folder), stdout=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def _program(folder, *line, **more):
    return subprocess.run(
        (*_PROGRAM, *line), cwd=folder, env=as_a_program(folder), capture_output=True, text=True, check=False, **more
    )


def _until(child, text):
    for line in child.stdout:
        if text in line:
            return
    pytest.fail(f"it ended without {text!r}")


def _lives(pid):
    """Whether it runs; a zombie that nobody reaps does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
