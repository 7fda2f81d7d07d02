"""The platform as its users reach it: hostctl on the machine, ssh, git push, http; and root inside the box."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostd.box import Box
from hostd.box.box import clean_environment
from hostd.cli.client import Client
from hostd.install.admin import ensure_key
from hostd.settings import load as load_settings
from tests.support.waiting import patient

USER = "tester@example.com"
PYTHON = "/opt/hostd/venv/bin/python"
"""hostd's own, in the box."""
Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class User:
    """Somebody who may log in with `key` (the private half)."""

    email: str
    key: Path


@dataclass(frozen=True)
class Answer:
    """What the router said. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


@dataclass(frozen=True)
class Platform:
    """One installation in a box."""

    machine: Box
    http_port: int
    ssh_port: int
    admin: str
    user: User
    api_port: int
    https_port: int

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        timeout: float = 120,
        input: str | None = None,
    ) -> Finished:
        """Run a command as root inside the box."""
        return _run(self.machine.command(argv), check=check, timeout=timeout, input=input, env=clean_environment())

    def python(self, program: str, *words: str) -> Any:
        """Run a program as root inside the box, with what hostd can import; what it printed as JSON."""
        return json.loads(self.run([PYTHON, "-c", program, *words]).stdout)

    def hostctl(
        self,
        *words: str,
        check: bool = True,
        timeout: float = 120,
        input: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run hostctl on the machine as root, who speaks for the first admin."""
        argv = self.hostctl_command(*words)
        # Not in this project's own checkout: hostctl writes a git remote into the one it is called in.
        where = cwd or Path("/")
        return _run(argv, check=check, timeout=timeout, input=input, cwd=where, env={**os.environ, **(env or {})})

    def hostctl_command(self, *words: str) -> list[str]:
        """The argument list of a hostctl command on the machine."""
        return [str(self.machine.directory / "hostctl"), *words]

    def ssh(
        self,
        *words: str,
        check: bool = True,
        timeout: float = 120,
        input: str | None = None,
        key: Path | None = None,
        options: Sequence[str] = (),
    ) -> Finished:
        """Run one command over ssh as the user, or with another key."""
        argv = self.remote_command(*words, key=key, options=options)
        return _run(argv, check=check, timeout=timeout, input=input)

    def remote_command(self, *words: str, key: Path | None = None, options: Sequence[str] = ()) -> list[str]:
        """The argument list of a hostctl command over ssh."""
        ssh = [*self.ssh_command(key), *options, "-p", str(self.ssh_port), "git@localhost"]
        return [*ssh, *map(shlex.quote, words)]

    def ssh_command(self, key: Path | None = None) -> list[str]:
        """The ssh client with a key, and with nothing of this machine's own configuration."""
        known = self.machine.upper / "etc/hostd/known_hosts"
        options = ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}"]
        # What a client would choose first costs a tenth of a second of processor time, each time.
        options.append("KexAlgorithms=curve25519-sha256")
        words = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(key or self.user.key), *words]

    def git_environment(self, key: Path | None = None) -> dict[str, str]:
        """Environment for git: its ssh, and nobody's own configuration."""
        return {
            **os.environ,
            "GIT_SSH_COMMAND": shlex.join(self.ssh_command(key)),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
        }

    def git_url(self, app: str) -> str:
        """Where an app is pushed to."""
        return f"ssh://git@localhost:{self.ssh_port}/{app}.git"

    def git(self, directory: Path, *words: str, check: bool = True, key: Path | None = None) -> Finished:
        """Run git in a repository."""
        who = ["-c", "user.name=Tester", "-c", f"user.email={USER}"]
        return _run(["git", *who, *words], check=check, timeout=600, cwd=directory, env=self.git_environment(key))

    def push(
        self,
        directory: Path,
        app: str,
        branch: str = "main",
        *options: str,
        check: bool = True,
        key: Path | None = None,
    ) -> Finished:
        """Push a branch (`main`, `other:main`) to an app; what the server says is in `stderr`."""
        return self.git(directory, "push", *options, self.git_url(app), branch, check=check, key=key)

    def commit(self, files: Mapping[str, str | bytes] | Path, directory: Path) -> Path:
        """Commit files (their texts by path, or a directory to copy) to the branch main; returns the repository."""
        if not (directory / ".git").exists():
            directory.mkdir(parents=True, exist_ok=True)
            self.git(directory, "init", "-q", "-b", "main")
        if isinstance(files, Path):
            shutil.copytree(files, directory, dirs_exist_ok=True)
        else:
            for name, content in files.items():
                path = directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git(directory, "add", "-A")
        self.git(directory, "commit", "-q", "--allow-empty", "-m", "A change")
        return directory

    def http_get(
        self,
        app: str,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 90,
        host: str | None = None,
    ) -> Answer:
        """Ask the router, over a connection of its own, as a client of the app would."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers={"Host": host or f"{app}.localhost", **(headers or {})})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        finally:
            connection.close()


def connect_platform(environ: Mapping[str, str], folder: Path) -> Platform:
    """The platform that the environment names, with its user made and their key in `folder`."""
    box = Box(environ["HOSTD_TEST_BOX"], Path(environ["HOSTD_TEST_DIRECTORY"]))
    key = folder / "id_ed25519"
    _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", USER, "-f", str(key)])
    ports = int(environ["HOSTD_TEST_HTTP_PORT"]), int(environ["HOSTD_TEST_SSH_PORT"])
    own = load_settings(box.upper / "etc/hostd/hostd.toml", {})
    platform = Platform(box, *ports, environ["HOSTD_TEST_ADMIN"], User(USER, key), own.api_port, own.https_port)
    add_user(platform, USER, key, admin=True)
    return platform


def add_user(platform: Platform, email: str, key: Path, *, admin: bool = False) -> User:
    """Make a user, unless there is one, and give them a key."""
    sockets = platform.machine.run_directory
    if email not in platform.hostctl("users").stdout:
        platform.hostctl("users:add", email, *(["--admin"] if admin else []))
    ensure_key(Client(sockets, email), Path(f"{key}.pub").read_text())
    return User(email, key)


def _run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float = 60,
    input: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    done = subprocess.run(
        argv,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=patient(timeout),
        cwd=cwd,
        env=env,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{_shown(argv)}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def _shown(argv: Sequence[str]) -> str:
    """A command line for a message; of a script given as an argument its first line, or the error would be cut off."""
    return shlex.join(f"{word.splitlines()[0]}..." if "\n" in word else word for word in argv)
