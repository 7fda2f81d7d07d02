"""What comes over ssh, which updates deploy, what a key's line says, where the outcome of a push stands. All pure."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from cli_fakes import FakeHostd
from hypothesis import given
from hypothesis import strategies as st

from hostd.cli.command import parse as parse_words
from hostd.cli.index import find
from hostd.cli.run import command_line
from hostd.errors import Unavailable
from hostd.ssh.authorized_keys import line
from hostd.ssh.authorized_keys import main as look_up
from hostd.ssh.git import Job, command, environment, room
from hostd.ssh.hooks import are_in_place, hooks_directory, write_hooks
from hostd.ssh.request import BadRequest, GitRequest, HostctlRequest, parse, split
from hostd.ssh.updates import Plan, Rejected, Update, plan, read
from hostd.ssh.upload import LONGEST_TRAILER, BrokenOff, Outcome, Trailer

ZERO, OLD, NEW = "0" * 40, "1" * 40, "2" * 40
KEY_ID = "7a3c5a52-5d2e-4c0b-8a4b-0f0c6c0d9a11"
BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIJbsQ7V0000000000000000000000000000000000000"


@pytest.mark.parametrize(
    "words",
    [
        "'hello.git'",
        "'/hello.git'",
        "hello",
        "'~hello.git'",
        "'/~/hello.git'",
        "'/~hello'",
        '"hello.git"',
        "hello.git/",
    ],
)
def test_git_requests(words):
    assert parse(f"git-receive-pack {words}") == GitRequest("git-receive-pack", "hello")
    assert parse(f"git upload-pack {words}") == GitRequest("git-upload-pack", "hello")


@pytest.mark.parametrize(
    "original",
    [
        "git-receive-pack '../hello.git'", "git-receive-pack '/etc/hello.git'", "git-receive-pack 'a/b.git'",
        "git-receive-pack 'Hello.git'", "git-receive-pack ''", "git-receive-pack", "git-receive-pack 'a b'",
        "git-receive-pack 'hello.git' x", "git-receive-pack '-hello.git'", "git-receive-pack 'hello.git\n'",
        "git-receive-pack --help", "git-upload-archive 'hello.git'", "git-receive-pack 'he", "git-shell",
        "git-upload-pack $(id)", "git-upload-pack 'hello.git;id'",
    ],
)  # fmt: skip
def test_bad_git_requests(original):
    with pytest.raises(BadRequest):
        parse(original)


def test_all_else_is_a_command():
    assert parse("ps -a hello") == HostctlRequest(("ps", "-a", "hello"))
    assert parse("config:set 'A=b c' ; rm -rf $HOME").words == ("config:set", "A=b c", ";", "rm", "-rf", "$HOME")
    assert parse("") == parse("   ") == HostctlRequest(())
    assert parse("git:remote -a hello").words == ("git:remote", "-a", "hello")


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("run -a hello echo $PORT; exit 7", "echo $PORT; exit 7"),
        ("run -a hello 'echo $PORT; exit 7'", "echo $PORT; exit 7"),
        ("run  echo  'a  b' \"$X\"  -a   hello ", "echo  'a  b' \"$X\""),
        ("run -a hello -- ls -a x ", "ls -a x"),
        ("run -a hello python -c 'print(1)'", "python -c 'print(1)'"),
    ],
)
def test_a_line_that_came_over_ssh_stays_that_line(typed, line):
    _, *words = parse(typed).words
    assert command_line(parse_words(find("run"), words).words) == line


@given(st.text(alphabet="ab '\"\\\t\n$", max_size=30))
def test_words_are_those_of_a_shell_and_know_their_places(text):
    try:
        expected = shlex.split(text)
    except ValueError:
        with pytest.raises(ValueError):
            split(text)
        return
    words = split(text)
    assert words == expected
    for word in words:
        assert shlex.split(word.line[word.begin : word.end]) == [word]


def test_a_key_may_run_one_program():
    program = "/opt/hostd/venv/bin/hostd-ssh"
    assert line(program, "you@example.com", KEY_ID, f"ssh-ed25519 {BLOB}") == (
        f'command="/opt/hostd/venv/bin/hostd-ssh you@example.com {KEY_ID}",'
        f"restrict,pty,port-forwarding ssh-ed25519 {BLOB}\n"
    )


@pytest.mark.parametrize("user", ["o'brien@x.org", "a;id@x", "$(id)@x", "a b@x", "a|b@x", '"@x', "`id`@x", "a&b@x"])
def test_a_users_name_is_one_word_for_sshds_shell(user):
    text = line("/bin/hostd-ssh", user, KEY_ID, f"ssh-ed25519 {BLOB}")
    command = text[len('command="') : text.index('",restrict')].replace('\\"', '"')
    assert shlex.split(command) == ["/bin/hostd-ssh", user, KEY_ID]
    done = subprocess.run(["sh", "-c", command.replace("/bin/hostd-ssh", "echo")], capture_output=True, text=True)
    assert done.stdout == f"{user} {KEY_ID}\n"


@pytest.mark.parametrize("user", ["a\nb@x", "a\\b@x", "a\x00b"])
def test_names_that_no_line_can_hold(user):
    with pytest.raises(ValueError, match="no authorized_keys line"):
        line("/bin/hostd-ssh", user, KEY_ID, f"ssh-ed25519 {BLOB}")


def test_the_look_up_of_a_key(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["/opt/bin/x"])
    monkeypatch.setenv("HOSTD_RUN_DIR", str(tmp_path))
    known = (200, {"key": KEY_ID, "user": "you@example.com"})
    with FakeHostd(tmp_path).on("GET /hostd/ssh/keys", known).serving() as fake:
        assert look_up(["ssh-ed25519", BLOB + "+/="]) == 0
        assert capsys.readouterr().out.startswith(
            f'command="/opt/bin/hostd-ssh you@example.com {KEY_ID}",restrict,pty,port-forwarding ssh-ed25519 AAAA'
        )
        assert fake.requests[0].target == f"/hostd/ssh/keys?type=ssh-ed25519&key={BLOB}%2B%2F%3D"
        for words in (["ssh-ed25519", "AAAA\nBBBB"], ["ssh ed25519", BLOB], ["x", BLOB]):
            assert (look_up(words), capsys.readouterr().out) == (0, "")
        fake.on("GET /hostd/ssh/keys", (404, {"id": "not_found", "message": "No user has this ssh key."}))
        assert (look_up(["ssh-ed25519", BLOB]), *capsys.readouterr()) == (0, "", "")
    monkeypatch.setattr("hostd.ssh.authorized_keys.PATIENCE_SECONDS", 0)
    assert look_up(["ssh-ed25519", BLOB]) == 1
    said = capsys.readouterr()
    assert (said.out, "hostd does not answer" in said.err) == ("", True)


def test_updates_are_read():
    assert read([f"{OLD} {NEW} refs/heads/main\n", "\n"]) == [Update(OLD, NEW, "refs/heads/main")]


def test_what_deploys():
    main, master = Update(OLD, NEW, "refs/heads/main"), Update(ZERO, NEW, "refs/heads/master")
    branch, tag = Update(ZERO, NEW, "refs/heads/fix/it"), Update(ZERO, NEW, "refs/tags/v1")
    assert plan([]) == Plan(None, ())
    assert plan([main, branch, tag]) == Plan(main, ("fix/it",))
    assert plan([master]) == Plan(master, ())
    assert plan([tag, Update(OLD, ZERO, "refs/heads/fix")]) == Plan(None, ())
    assert plan([Update(ZERO, NEW, "refs/heads/main2"), Update(ZERO, NEW, "refs/notes/main")]).deploy is None
    for updates, words in (
        ([main, master], "one of them at a time"),
        ([Update(OLD, ZERO, "refs/heads/main")], "main is what was deployed and cannot be deleted"),
        ([branch, Update(OLD, ZERO, "refs/heads/master")], "cannot be deleted"),
    ):
        with pytest.raises(Rejected, match=words):
            plan(updates)


RELEASED = b'\0{"status": "released", "version": 12, "reason": null}\n'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_outcome_is_parted_from_the_output_however_it_is_cut(size):
    output = b'-----> Building\n\0{"status": "released"}\nhalf \0 line\nno end\n\0\0\n\n'
    trailer, said = Trailer(), b""
    whole = output + RELEASED
    for begin in range(0, len(whole), size):
        said += trailer.feed(whole[begin : begin + size])
    assert (said, trailer.outcome()) == (output, Outcome(True, 12))


def test_output_is_handed_on_at_once_even_without_a_line_end():
    trailer = Trailer()
    assert trailer.feed(b"Launching...") == b"Launching..."
    assert trailer.feed(b"\0 done") == b"\0 done"
    assert trailer.feed(b"\n") == b"\n"
    assert trailer.feed(b"\0") == b""
    assert trailer.feed(b"{" + b"x" * LONGEST_TRAILER) == b"\0{" + b"x" * LONGEST_TRAILER


@pytest.mark.parametrize("stream", [b"", b"text\n", b"text\n" + RELEASED[:-1], b"\0{rubbish\n", b"\0[]\n"])
def test_without_an_outcome_the_connection_broke(stream):
    trailer = Trailer()
    trailer.feed(stream)
    with pytest.raises(BrokenOff):
        trailer.outcome()


def test_hooks_are_exactly_ours(tmp_path):
    directory = hooks_directory(tmp_path / "venv" / "bin")
    assert directory == tmp_path / "venv" / "share" / "hostd" / "git-hooks"
    assert not are_in_place(directory)
    program = tmp_path / "hostd-pre-receive"
    write_hooks(directory, program)
    assert not are_in_place(directory)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (directory / "post-receive").write_text("left over")
    write_hooks(directory, program)
    assert are_in_place(directory)
    assert [entry.name for entry in directory.iterdir()] == ["pre-receive"]


def test_pushes_leave_room_for_the_ledger():
    assert room(100 << 30) == 2 << 30
    assert room(1 << 30) == 512 << 20
    with pytest.raises(Unavailable, match="nearly full: 300 MiB free, a push needs 576 MiB"):
        room(300 << 20)


def test_git_sees_nothing_that_a_client_sent():
    job = Job("git-receive-pack", Path("/repos/1.git"), "id-1", "hello", "you@example.com")
    sent = {"GIT_DIR": "/etc", "LD_PRELOAD": "x", "GIT_PROTOCOL": "version=2", "HOME": "/home/git", "TERM": "x"}
    env = environment(job, sent)
    assert not {"GIT_DIR", "LD_PRELOAD", "TERM"} & set(env)
    assert (env["GIT_PROTOCOL"], env["HOME"], env["HOSTD_APP"]) == ("version=2", "/home/git", "id-1")
    assert "GIT_PROTOCOL" not in environment(job, {"GIT_PROTOCOL": "version=2;x"})
    argv = command(job, Path("/hooks"))
    assert argv[0] == "git"
    assert argv[-2:] == ["receive-pack", "/repos/1.git"]
    assert {"receive.fsckObjects=true", "core.hooksPath=/hooks"} <= set(argv)
    assert json.dumps(argv)
