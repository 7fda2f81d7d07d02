"""The git checkout a command is called in: which app its remotes mean, and adding one."""

from __future__ import annotations

import re
import subprocess

from hostd.cli.command import Refused, Usage
from hostd.cli.output import printable
from units.run import CommandError, Completed, run

DEFAULT_REMOTE = "hostd"
GIT_SECONDS = 10.0

# An app's address is git@host:name.git, ssh://git@host:port/name.git or https://git.host:port/name.git: one segment,
# unlike those of code hosts.
_ADDRESS = re.compile(r"(?:ssh://git@[^/]+/|git@[^:/]+:/?|https://(?:[^/@]*@)?git\.[^/@]+/)(?P<app>[a-z][a-z0-9-]{1,28}[a-z0-9])(?:\.git)?/?")

_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def app_of(address: str) -> str | None:
    """The app behind a git address; None if it is not one of ours."""
    found = _ADDRESS.fullmatch(address)
    return found["app"] if found else None


def choose(remotes: dict[str, str], wanted: str | None, preferred: str | None) -> str:
    """The app meant by the remotes (name: app) of a checkout; raises Usage if there is none or more than one."""
    if wanted is not None:
        if wanted not in remotes:
            raise Usage(f"The git remote {wanted!r} is not one of an app.{_known(remotes)}")
        return remotes[wanted]
    if not remotes:
        raise Usage("Which app? Say -a APP, set HOSTD_APP, or be in a git checkout with a remote of the app.")
    if preferred in remotes:
        return remotes[preferred]
    if len(set(remotes.values())) > 1:
        raise Usage(f"Several apps are git remotes here: say which with --remote or --app.{_known(remotes)}")
    return next(iter(remotes.values()))


def app_of_remote(wanted: str | None) -> str:
    """The app of a remote of the checkout we are in; `git config hostd.remote` says which is the default."""
    return choose(remotes(), wanted, _git("config", "hostd.remote").text.strip() or None)


def remotes() -> dict[str, str]:
    """The app of each remote that is one of ours."""
    return {name: app for name, address in _addresses().items() if (app := app_of(address))}


def addresses() -> list[str]:
    """The addresses of the remotes that are ours; none outside a checkout."""
    try:
        return [address for address in _addresses().values() if app_of(address)]
    except Usage:
        return []


def _addresses() -> dict[str, str]:
    found = {}
    for line in _git("config", "--get-regexp", r"^remote\..*\.url$").text.splitlines():
        key, _, address = line.partition(" ")
        found[key.removeprefix("remote.").removesuffix(".url")] = address.strip()
    return found


def address_of(remote: str) -> str:
    """Where a remote leads."""
    return _git("remote", "get-url", "--", remote).text.strip()


def is_checkout() -> bool:
    """True inside a git work tree."""
    return _git("rev-parse", "--is-inside-work-tree").text.strip() == "true"


def set_remote(name: str, address: str) -> None:
    """Add the remote, or point it at another address; raises Refused with git's reason."""
    known = _git("remote", "get-url", "--", name).returncode == 0
    words = ("set-url", "--", name, address) if known else ("add", "--", name, address)
    done = _git("remote", *words)
    if done.returncode:
        raise Refused(f"git could not set the remote {name}: {done.stderr.decode(errors='replace').strip()}")


def clone(address: str, remote: str, directory: str) -> bool:
    """Clone a repository, with the remote named; git speaks to the terminal itself. False if it failed."""
    # Not through units.run: git shows its progress, and may ask for a password, for as long as it takes.
    return subprocess.run(["git", "clone", "-o", remote, "--", address, directory], check=False).returncode == 0


def commits(old: str, new: str) -> list[str]:
    """The commits that the second has and the first has not, newest first; none if the checkout lacks one of them."""
    if not (_COMMIT.fullmatch(old) and _COMMIT.fullmatch(new)):
        return []
    form = "--format=%h %ad %s (%an)"
    done = _git("log", "--max-count=200", "--date=short", form, "--end-of-options", f"{old}..{new}")
    return [printable(line) for line in done.text.splitlines()] if done.returncode == 0 else []


def _git(*words: str) -> Completed:
    # Root may well stand in the checkout of somebody else; none of these commands runs anything found there.
    try:
        return run(("git", "-c", "safe.directory=*", *words), timeout=GIT_SECONDS, check=False)
    except CommandError as error:
        raise Usage(f"Which app? Say -a APP: the git remotes cannot be read ({error}).") from error


def _known(remotes: dict[str, str]) -> str:
    return "".join(f"\n--remote {name}  is  --app {app}" for name, app in sorted(remotes.items()))
