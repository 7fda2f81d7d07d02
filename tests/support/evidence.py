"""What there is before and after a request that must be refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hostd.cli.client import Client, path
from tests.support.platform import Platform


def evidence(platform: Platform) -> dict[str, Any]:
    """All that an app consists of, by its name: the API's own words, and what its repository holds."""
    client = Client(platform.machine.run_directory)
    found = {}
    for app in client.get(path("apps")):
        parts = ("releases", "config-vars", "formation", "collaborators")
        shown = {part: client.get(path("apps", app["id"], part)) for part in parts}
        found[app["name"]] = {"app": app, "branches": branches(platform, app["id"]), **shown}
    return found


def branches(platform: Platform, app_id: str) -> str:
    """The refs of an app's repository and what they name; read on the machine, past ssh."""
    repository = platform.machine.upper / f"var/lib/hostd/master/repos/{app_id}.git"
    if not repository.exists():
        return ""
    git = ["git", "-c", f"safe.directory={repository}", "--git-dir", str(repository), "for-each-ref"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout


@contextmanager
def nothing_changes(platform: Platform) -> Iterator[None]:
    """Whatever is done in here changes no app."""
    before = evidence(platform)
    yield
    assert evidence(platform) == before
