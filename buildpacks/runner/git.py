"""Fetches one commit of a git repository. Credentials reach git through its environment, never through argv."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .addresses import Address
from .trouble import Trouble

SECONDS = 300.0

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT = re.compile(r"[0-9a-f]{7,64}")
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "http:https:git",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "LC_ALL": "C.UTF-8",
}
# git gives its credentials' helper to a shell; what it prints comes from variables, and only for their server.
_HELPER = '!f() { [ "$1" = get ] && printf "username=%s\\npassword=%s\\n" "$BUILD_USERNAME" "$BUILD_PASSWORD"; }; f'


@dataclass(frozen=True)
class Found:
    """What a ref means now: its commit, and the name under which it can be fetched."""

    commit: str
    name: str


class Repository:
    """A bare repository in `folder` (made if it is missing) of what is fetched from one address.

    All methods raise Trouble, and so does time running out: `seconds` are for everything together.
    """

    def __init__(
        self,
        address: Address,
        folder: Path,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.folder = folder
        self._seconds = seconds
        self._clock = clock
        self._deadline = clock() + seconds
        if not folder.exists():
            self._git("init", "--quiet", "--bare", "--template=", str(folder))

    def find(self, ref: str) -> Found | None:
        """What a branch, tag, full commit or (empty) HEAD is; None when the repository does not say."""
        if ref.startswith("-"):
            raise Trouble(f"{ref!r} is not a branch, tag or commit")
        if _COMMIT.fullmatch(ref):
            return Found(ref, ref)
        wanted = (f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", ref) if ref else ("HEAD",)
        listed = self._git("ls-remote", "--quiet", self.address.url, *wanted, ask=True)
        return found_in(listed, wanted)

    def fetch(self, ref: str) -> str:
        """Have the commit that `ref` is, and name it; only that one where the server can do so."""
        found = self.find(ref)
        if found is not None and (commit := self._fetch_alone(found)):
            return commit
        every = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        self._git("fetch", "--quiet", "--no-tags", self.address.url, *every, ask=True)
        if found is None and not _SHORT.fullmatch(ref):
            raise Trouble(f'it has no branch or tag "{ref}"' if ref else "it is empty")
        commit = self._commit(found.commit if found else ref)
        if commit is None:
            raise Trouble(f"it has no commit {ref}" if ref else "it is empty")
        return commit

    def check_out(self, commit: str, tree: Path) -> None:
        """Write the commit's files into `tree`, and nothing of git's."""
        tree.mkdir(parents=True, exist_ok=True)
        self._git("--git-dir", str(self.folder), "--work-tree", str(tree), "checkout", "--quiet", "--force", commit)

    def links(self, commit: str) -> dict[str, str]:
        """Commits of the submodules by their paths."""
        return read_links(self._git("ls-tree", "-r", "-z", "--full-tree", commit))

    def _fetch_alone(self, found: Found) -> str | None:
        try:
            self._git("fetch", "--quiet", "--depth=1", "--no-tags", self.address.url, found.name, ask=True)
        except Trouble:
            # Servers refuse commits that no branch names, and plain file servers refuse to give anything singly.
            return None
        return self._commit("FETCH_HEAD")

    def _commit(self, name: str) -> str | None:
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
        except Trouble:
            return None

    def _git(self, *words: str, ask: bool = False) -> str:
        env = {**os.environ, **_ENVIRONMENT, "GIT_DIR": str(self.folder)}
        argv = ["git", *words]
        if ask and (self.address.username or self.address.password):
            argv[1:1] = ["-c", f"credential.{self.address.origin}.helper={_HELPER}"]
            env |= credentials(self.address)
        left = max(0.1, self._deadline - self._clock())
        try:
            done = subprocess.run(
                argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=left, check=False
            )
        except subprocess.TimeoutExpired:
            raise Trouble(f"git did not end within {self._seconds:g} seconds") from None
        if done.returncode != 0:
            raise Trouble(reason(done.stderr.decode(errors="replace"), self.address))
        return done.stdout.decode(errors="surrogateescape")


def credentials(address: Address) -> Mapping[str, str]:
    """The variables from which git's helper takes them."""
    return {"BUILD_USERNAME": address.username, "BUILD_PASSWORD": address.password}


def found_in(listed: str, wanted: tuple[str, ...]) -> Found | None:
    """The first of the wanted names in what `git ls-remote` printed."""
    commits = {name: commit for commit, _, name in (line.partition("\t") for line in listed.splitlines())}
    for name in wanted:
        if name in commits:
            return Found(commits[name], name.removesuffix("^{}"))
    return None


def read_links(listed: str) -> dict[str, str]:
    """The submodules in what `git ls-tree -r -z` printed."""
    rows = (row.partition("\t") for row in listed.split("\0") if row)
    return {path: what.split()[2] for what, _, path in rows if what.startswith("160000 ")}


def reason(stderr: str, address: Address) -> str:
    """What git said, in one line, without its own prefixes and without secrets."""
    lines = [line.removeprefix("fatal: ").removeprefix("error: ").strip() for line in stderr.splitlines()]
    text = "; ".join(line for line in lines if line) or "git failed without a word"
    if "could not read Username" in text or "Authentication failed" in text:
        text = "it does not exist or is private: put a user name and a token into the address, https://USER:TOKEN@HOST/"
    for secret in (address.password, address.username):
        # git is never given the address with its credentials; shorter ones would garble its words instead.
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return text.replace(address.url, address.shown)[:500]
