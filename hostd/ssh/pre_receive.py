"""`hostd-pre-receive`: git's hook. A push to main or master is built and released here, before git takes it.

Whatever is written to stdout reaches the pusher as `remote: ...`; an exit status other than 0 rejects the push.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from hostd.cli.client import ADDRESS, Client, run_dir
from hostd.errors import HostdError
from hostd.ssh import upload
from hostd.ssh.folding import Folding
from hostd.ssh.updates import BRANCHES, Rejected, Update, gitlinks, plan, read
from units.run import run

GIT_SECONDS = 30.0
TAIL = 8192
OVER_HTTPS = ("DOOR", "ADDRESS", "AUTHORIZATION")
"""What git's environment tells of a push that came over https."""
LONGEST_LINKS = 4096
"""Characters of submodules' names and commits; they travel in the first line of an HTTP request."""


class Pusher:
    """Whoever pushes, at the other end of our standard output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._tail = b""
        self._fold = Folding()

    def write(self, data: bytes) -> None:
        """Pass bytes on at once, very long lines broken; raises BrokenPipeError if the pusher has gone."""
        self._tail = (self._tail + data)[-TAIL:]
        data = self._fold(data)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def step(self, text: str) -> None:
        """`-----> text`."""
        self.write(f"-----> {text}\n".encode())

    def problem(self, text: str) -> None:
        """` !     text`, each line, unless hostd said it just now."""
        if text.split("\n", 1)[0].encode() in self._tail:
            return
        new_line = b"" if not self._tail or self._tail.endswith(b"\n") else b"\n"
        self.write(new_line + "".join(f" !     {line}\n" for line in text.splitlines()).encode())


def main() -> int:
    """Read the updates from stdin, deploy if main or master is among them; return git's verdict."""
    pusher = Pusher(sys.stdout.fileno())
    try:
        todo = plan(read(sys.stdin))
        for branch in todo.stored:
            pusher.step(f"Branch {branch} stored. Only main or master deploys: git push <remote> {branch}:main")
        return _deploy(todo.deploy, pusher, os.environ) if todo.deploy else 0
    except Rejected as error:
        pusher.problem(f"Push rejected: {error}")
    except HostdError as error:
        pusher.problem(f"Push rejected: {error.message}")
    except BrokenPipeError:
        # The pusher has gone; ending closes the connection to hostd, which cancels the build.
        return 1
    return 1


def _deploy(update: Update, pusher: Pusher, env: Mapping[str, str]) -> int:
    _check(update)
    client = Client(run_dir(env), address=env.get(ADDRESS))
    query = {
        "app": env["HOSTD_APP"],
        "push": env["HOSTD_PUSH"],
        "user": env["HOSTD_USER"],
        "commit": update.new,
        "ref": update.ref,
        **{name.lower(): env[f"HOSTD_{name}"] for name in OVER_HTTPS if f"HOSTD_{name}" in env},
        **_submodules(update.new, pusher),
    }
    # Not through units.run: the archive is a stream. The environment goes on as it is, because the pushed objects
    # lie in a quarantine that only git's variables point at.
    archive = subprocess.Popen(["git", "archive", "--format=tar", update.new], stdout=subprocess.PIPE)
    try:
        outcome = upload.push(client, query, archive, pusher.write)
    except upload.BrokenOff:
        pusher.problem("The connection to hostd broke. Asking how the push ended...")
        outcome = upload.ask(client, query["push"])
        if outcome.released:
            pusher.step(f"hostd is back, and the push is released: v{outcome.version}")
    finally:
        archive.kill()
        archive.wait()
    if not outcome.released:
        pusher.problem(outcome.reason or "Push rejected.")
    return 0 if outcome.released else 1


def _check(update: Update) -> None:
    kind = run(["git", "cat-file", "-t", update.new], timeout=GIT_SECONDS, check=False).text.strip()
    if kind != "commit":
        branch = update.ref.removeprefix(BRANCHES)
        hint = f": git push REMOTE TAG^{{}}:{branch}" if kind == "tag" else "."
        raise Rejected(f"{branch} must be a commit, not a {kind}{hint}")


def _submodules(commit: str, pusher: Pusher) -> dict[str, str]:
    """The submodules' commits by their paths, as a parameter: an archive of the commit has only empty folders."""
    listed = run(["git", "ls-tree", "-r", "-z", "--full-tree", commit], timeout=GIT_SECONDS, check=False)
    links = gitlinks(listed.stdout)
    if not links:
        return {}
    modules = ["git", "cat-file", "-e", f"{commit}:.gitmodules"]
    if run(modules, timeout=GIT_SECONDS, check=False).returncode != 0:
        names = ", ".join(path if path.isprintable() else repr(path) for path in sorted(links)[:5])
        pusher.problem(
            f"Warning: {names}: a repository inside this one, of which git has the commit only, and no .gitmodules.\n"
            "The folder will be empty. Make a submodule of it, or remove its .git folder and commit its files."
        )
        return {}
    text = json.dumps(links, separators=(",", ":"))
    if len(text) > LONGEST_LINKS:
        raise Rejected(f"{len(links)} submodules are more than a push can tell of. Deploy with git:sync instead.")
    return {"submodules": text}
