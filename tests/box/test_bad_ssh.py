"""What a key does not open: no shell, no files, no way on to anywhere, whatever is sent instead of a command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.apps import Deployed, module_app
from tests.support.evidence import nothing_changes
from tests.support.platform import Finished, Platform

APP = "bad-ssh"


running = module_app(APP, {"Procfile": "web: exec python3 -m http.server $PORT\n"})


@pytest.fixture
def refuses(platform: Platform, running: Deployed) -> Iterator[Platform]:
    """The platform, for what must change nothing."""
    with nothing_changes(platform):
        yield platform


def ssh(platform: Platform, line: str | bytes | None, options: Sequence[str] = (), *, user: str = "git") -> Finished:
    """Send one line as it is, not quoted for a shell; None asks for a shell."""
    argv: list[str | bytes] = [*platform.ssh_command(), *options, "-p", str(platform.ssh_port), f"{user}@localhost"]
    if line is not None:
        argv += ["--", line]
    return subprocess.run(
        argv, input="", capture_output=True, text=True, errors="backslashreplace", timeout=60, check=False
    )


NO_SHELL = "there is no shell on the server itself. For one in a dyno: run -a APP bash"
NO_APP_OF = "is not the repository of an app: it must be like hello.git."
LINES: dict[str, tuple[str | bytes, str]] = {
    "bash": ("bash", f"bash is not a command: {NO_SHELL}"),
    "sh": ("sh -c id", f"sh is not a command: {NO_SHELL}"),
    "scp": ("scp -t /tmp", "scp is not a command: files come by git push or deploy"),
    "parent": ("git-receive-pack '../x'", f"../x {NO_APP_OF}"),
    "no app": ("git-upload-pack 'nope.git'", "Couldn't find that app: nope. Your apps: ssh git@HOST apps."),
    "semicolon": (f"git-receive-pack '{APP}.git'; id", "git-receive-pack takes one repository."),
    "semicolon within": (f"git-receive-pack '{APP}.git;id'", NO_APP_OF),
    "substitution": ("git-upload-pack $(id)", f"$(id) {NO_APP_OF}"),
    "line break": (f"git-upload-pack '{APP}.git\n'", NO_APP_OF),
    "flag": ("git-upload-pack --help", f"--help {NO_APP_OF}"),
    "archive": (f"git-upload-archive '{APP}.git'", "git-upload-archive is not offered here"),
    "command after": (f"ps -a {APP}; id", f"Couldn't find that app: '{APP};'."),
    "quotes": ("'ps", "The command cannot be read"),
    "unicode": ("pś", "pś is not a command."),
    "not UTF-8": (b"p\xff\xfes -a x", "is not a command."),
    "escape": ("\x1b[31mred", r"\x1b[31mred is not a command."),
    "long": ("x" * 100_000, f"{'x' * 60} is not a command."),
    "server's": ("box stop", "box works only where hostctl is installed, not over ssh."),
    "admin's file": ("keys:add /etc/passwd", "keys:add - < KEY.pub"),
}


@pytest.mark.parametrize(("line", "reason"), LINES.values(), ids=LINES)
def test_a_line_that_is_no_command_is_only_refused(refuses: Platform, line: str | bytes, reason: str) -> None:
    answered = ssh(refuses, line)
    assert answered.returncode in (1, 2)
    assert reason in answered.stderr
    assert len(answered.stderr) < 1000
    assert "uid=" not in answered.stdout + answered.stderr
    assert "\x1b" not in answered.stderr


@pytest.mark.parametrize("options", [[], ["-tt"]], ids=["plain", "terminal"])
def test_there_is_a_greeting_and_no_shell(refuses: Platform, options: list[str]) -> None:
    answered = ssh(refuses, None, options)
    greeting = f"Hi {refuses.user.email}: hostd knows your key, and gives no shell. Try: ssh git@HOST help"
    assert (answered.returncode, greeting in answered.stdout + answered.stderr) == (1, True)


def test_git_gets_no_terminal(refuses: Platform) -> None:
    answered = ssh(refuses, f"git-upload-pack '{APP}.git'", ["-tt"])
    assert (answered.returncode, "Git needs no terminal: leave out -t." in answered.stdout) == (2, True)


def test_there_is_no_file_transfer(refuses: Platform, tmp_path: Path) -> None:
    assert "subsystem request failed" in ssh(refuses, "sftp", ["-s"]).stderr
    (tmp_path / "file").write_text("x")
    words = [*refuses.ssh_command()[1:], "-P", str(refuses.ssh_port), str(tmp_path / "file"), "git@localhost:/tmp/x"]
    copied = subprocess.run(["scp", *words], capture_output=True, text=True, timeout=60, check=False)
    assert copied.returncode != 0


FORWARDING = {
    "to the router": (["-W", "localhost:80"], "administratively prohibited"),
    "from there": (["-o", "ExitOnForwardFailure=yes", "-N", "-R", "0:localhost:1"], "port forwarding failed"),
    "socket": (["-o", "ExitOnForwardFailure=yes", "-N", "-R", "/tmp/x.sock:localhost:1"], "port forwarding failed"),
    "tunnel": (["-o", "ExitOnForwardFailure=yes", "-N", "-w", "0:0"], "open failed"),
}


@pytest.mark.parametrize(("options", "reason"), FORWARDING.values(), ids=FORWARDING)
def test_nothing_is_forwarded(refuses: Platform, options: list[str], reason: str) -> None:
    answered = ssh(refuses, None, options)
    assert answered.returncode == 255
    assert reason in answered.stderr


def test_a_clients_environment_and_agent_reach_nothing(refuses: Platform) -> None:
    options = ["-A", "-o", "SetEnv=LD_PRELOAD=/tmp/x HOSTD_RUN_DIR=/tmp HOSTD_USER=admin GIT_PROTOCOL=version=2;id"]
    environment = ssh(refuses, f"run -a {APP} -- env", options).stdout
    assert "DYNO=run." in environment
    for name in ("LD_PRELOAD", "HOSTD_RUN_DIR", "HOSTD_USER", "SSH_AUTH_SOCK", "SSH_CONNECTION", "GIT_PROTOCOL"):
        assert name not in environment


@pytest.mark.parametrize("user", ["root", "hostd-router", "nobody", "admin"])
def test_there_is_no_other_user(refuses: Platform, user: str) -> None:
    answered = ssh(refuses, "ps", user=user)
    assert (answered.returncode, "Permission denied (publickey)" in answered.stderr) == (255, True)


def test_a_key_that_nobody_has_is_refused_by_sshd(refuses: Platform, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    answered = refuses.ssh("ps", "-a", APP, key=tmp_path / "key", check=False)
    assert (answered.returncode, "Permission denied (publickey)" in answered.stderr) == (255, True)
