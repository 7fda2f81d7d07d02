"""Git's server side: how it is run, over ssh and over https; and running it for one ssh connection, and ending it when
the client has gone."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostd.cli.client import ADDRESS
from hostd.errors import Unavailable
from hostd.ssh import quarantine
from hostd.ssh.hooks import are_in_place, hooks_directory

LARGEST_PUSH = 2 << 30
"""Bytes git takes in one push; beyond, it says `pack exceeds maximum allowed size`."""
KEPT_FREE = 512 << 20
"""Bytes that pushes leave free on their disk: the ledger is on it too."""
SMALLEST_PUSH = 64 << 20
"""With less room than this, in bytes, a push is not begun."""
LEAVE_SECONDS = 1.0
"""How long git may still take to end after the client has: it hangs up as soon as it has read git's last word."""
KILL_SECONDS = 5.0
"""From SIGTERM to SIGKILL, for git and the hook, when the client has gone."""
GIT_SECONDS = 10.0
"""For the small questions to git after a push."""
KEEP_ALIVE = 5
"""Seconds of silence after which git says something that nobody sees."""

_GIT_PROTOCOL = re.compile(r"version=[012](?::version=[012])*")

# `git archive` in the hook must give the tree as it is: .gitattributes would make it leave out files that are
# export-ignore. $GIT_DIR/info/attributes overrules them (gitattributes(5)).
_ATTRIBUTES = "* -export-ignore -export-subst\n"


@dataclass(frozen=True, slots=True)
class Job:
    """A git service on a repository, for a user.

    Over https: from which `address`, through which `door`, with which `authorization` (its id); empty over ssh.
    """

    service: str
    repository: Path
    app_id: str
    app: str
    user: str
    door: str = ""
    address: str = ""
    authorization: str = ""

    @property
    def pushes(self) -> bool:
        """Whether it changes the repository."""
        return self.service == "git-receive-pack"


def serve(job: Job, programs: Path, env: Mapping[str, str]) -> int:
    """Run the service on our own standard input and output; return its exit status.

    `programs` is the directory of hostd's programs. Raises Unavailable if a push could not be deployed.
    """
    argv = prepare(job, programs)
    if not job.pushes:
        return _attend(argv, environment(job, env))
    with quarantine.clearing(job.repository) as lock:
        status = _attend(argv, environment(job, env), (lock,))
    if status == 0:
        follow_head(job, env)
    return status


def prepare(job: Job, programs: Path, options: Sequence[str] = ()) -> list[str]:
    """The argument list of git, with options of the service; the repository is made ready for a push.

    `programs` is the directory of hostd's programs. Raises Unavailable if a push could not be deployed.
    """
    hooks = hooks_directory(programs)
    if not job.pushes:
        return command(job, hooks, options=options)
    if not are_in_place(hooks):
        raise Unavailable("This installation has no git hook, so nothing can be deployed: run install.sh again.")
    argv = command(job, hooks, room(shutil.disk_usage(job.repository).free), options)
    _write_attributes(job.repository)
    return argv


def room(free: int) -> int:
    """How many bytes a push may have, with so many free on the disk; raises Unavailable if that is too few."""
    if free < KEPT_FREE + SMALLEST_PUSH:
        raise Unavailable(
            f"The server's disk is nearly full: {free >> 20} MiB free, a push needs {KEPT_FREE + SMALLEST_PUSH >> 20} "
            "MiB. Running apps are not affected. Ask the operator to make room."
        )
    return min(LARGEST_PUSH, free - KEPT_FREE)


def command(job: Job, hooks: Path, largest: int = LARGEST_PUSH, options: Sequence[str] = ()) -> list[str]:
    """The argument list of git; `largest` bounds a push, in bytes; `options` are the service's own."""
    settings = {
        "core.hooksPath": str(hooks),
        "safe.directory": str(job.repository),
        "receive.fsckObjects": "true",
        "receive.maxInputSize": str(largest),
        "receive.autogc": "false",
        # A router gives up an answer that is silent for 55 s, and a build may be.
        "receive.keepAlive": str(KEEP_ALIVE),
        "uploadpack.keepAlive": str(KEEP_ALIVE),
    }
    chosen = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    return ["git", *chosen, job.service.removeprefix("git-"), *options, str(job.repository)]


def environment(job: Job, env: Mapping[str, str]) -> dict[str, str]:
    """All that git and the hook get to see; nothing that the client may have sent, but the protocol's version."""
    kept = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": env.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "HOSTD_APP": job.app_id,
        "HOSTD_APP_NAME": job.app,
        "HOSTD_USER": job.user,
        "HOSTD_PUSH": str(uuid.uuid4()),
    }
    if job.door:
        kept |= {"HOSTD_DOOR": job.door, "HOSTD_ADDRESS": job.address, "HOSTD_AUTHORIZATION": job.authorization}
    if _GIT_PROTOCOL.fullmatch(env.get("GIT_PROTOCOL", "")):
        kept["GIT_PROTOCOL"] = env["GIT_PROTOCOL"]
    if connection := env.get("SSH_CONNECTION", "").split():
        kept[ADDRESS] = connection[0]
    if run_dir := env.get("HOSTD_RUN_DIR"):
        kept["HOSTD_RUN_DIR"] = run_dir
    return kept


def _attend(argv: list[str], env: Mapping[str, str], inherited: Sequence[int] = ()) -> int:
    """Run git in a process group of its own until it ends, or the client goes: then the whole group ends."""
    told = _signals((signal.SIGTERM, signal.SIGHUP, signal.SIGINT))
    # Not through units.run: git talks to the client on our own descriptors, and must be ended when the client is
    # gone, which it would notice only at its next write, minutes into a quiet build.
    child = subprocess.Popen(argv, env=env, process_group=0, pass_fds=inherited)
    ended = os.pidfd_open(child.pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(told, select.POLLIN)
    poll.register(sys.stdout.fileno(), 0)
    while not (happened := dict(poll.poll())).get(ended):
        if told in happened or not _wait(ended, LEAVE_SECONDS):
            _end_group(child.pid, ended)
            break
    status = child.wait()
    return 128 - status if status < 0 else status


def _signals(numbers: Iterable[int]) -> int:
    """A descriptor that becomes readable when one of the signals comes."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return reader


def _end_group(group: int, ended: int) -> None:
    os.killpg(group, signal.SIGTERM)
    _wait(ended, KILL_SECONDS)
    # Its leader is not reaped yet, so the number is still its own; the hook and its children may be left in it.
    os.killpg(group, signal.SIGKILL)


def _wait(ended: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _write_attributes(repository: Path) -> None:
    file = repository / "info" / "attributes"
    file.parent.mkdir(exist_ok=True)
    if not file.exists() or file.read_text() != _ATTRIBUTES:
        file.write_text(_ATTRIBUTES)


def follow_head(job: Job, env: Mapping[str, str]) -> None:
    """Let HEAD name the branch that was pushed, main or master, so that a clone checks it out."""
    if _asked(job, env, "rev-parse", "--verify", "--quiet", "HEAD"):
        return
    for branch in ("refs/heads/main", "refs/heads/master"):
        if _asked(job, env, "show-ref", "--verify", "--quiet", branch):
            _asked(job, env, "symbolic-ref", "HEAD", branch)
            return


def _asked(job: Job, env: Mapping[str, str], *words: str) -> bool:
    from units.run import run

    git = ("git", "-c", f"safe.directory={job.repository}", "--git-dir", str(job.repository))
    return run((*git, *words), env=environment(job, env), timeout=GIT_SECONDS, check=False).returncode == 0
