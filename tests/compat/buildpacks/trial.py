"""Tries a published buildpack with an app, step by step, through the doors of an installation of hostd."""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.outside import outside
from tests.support.platform import Finished, Platform, connect_platform

CHECKER = Path(__file__).with_name("checker")
STEPS = ("detect", "compile", "release", "report", "again", "boot")
LAST_LINES = 15
IGNORED = shutil.ignore_patterns(".git")


@dataclass(frozen=True)
class Step:
    """What came of one step: `passed` is None when there was nothing to try."""

    name: str
    passed: bool | None
    text: str

    def __str__(self) -> str:
        word = {True: "pass", False: "FAIL", None: "-"}[self.passed]
        return f"{self.name:8} {word:5} {self.text}".rstrip()


@dataclass(frozen=True)
class Trial:
    """One app on one platform, built by the buildpacks at these addresses in their order."""

    platform: Platform
    app: str
    checkout: Path
    path: str
    verbose: bool

    def steps(self) -> Iterator[Step]:
        """Try everything; a step that fails ends the trial where nothing can come after it."""
        first, seconds = self._push()
        detected = re.findall(r"^-----> (.*) app detected$", first.stderr, re.MULTILINE)
        named = [name for name in detected if name != "Checked"]
        yield Step("detect", bool(named), named[-1] if named else _why(first))
        if not named:
            return
        compiled = "Checked" in detected
        yield Step("compile", compiled, f"{seconds:.1f} s" if compiled else _why(first))
        if not compiled:
            return
        yield from checked(first.stderr)
        if first.returncode:
            yield Step("boot", False, _why(first))
            return
        second, seconds = self._push()
        yield Step("again", second.returncode == 0, f"{seconds:.1f} s" if not second.returncode else _why(second))
        yield self._boot(second.stderr)

    def _push(self) -> tuple[Finished, float]:
        began = time.monotonic()
        self.platform.git(self.checkout, "commit", "-q", "--allow-empty", "-m", "Try")
        pushed = self.platform.push(self.checkout, self.app, check=False)
        said = "\n".join(line.removeprefix("remote: ").rstrip() for line in pushed.stderr.splitlines())
        if self.verbose:
            print(said, file=sys.stderr)
        return Finished(pushed.args, pushed.returncode, "", said), time.monotonic() - began

    def _boot(self, said: str) -> Step:
        if "No web process" in said:
            return Step("boot", None, "no web process")
        if "Launching... done" not in said:
            return Step("boot", False, said[-600:])
        answer = self.platform.http_get(self.app, self.path)
        return Step("boot", answer.status < 500, f"{answer.status}, {len(answer.body)} bytes")


def checked(said: str) -> Iterator[Step]:
    """What the checker found of bin/release and bin/report."""
    found = {name: (status, output) for name, status, output in re.findall(r"^compat (\w+) (\S+) ?(\S*)$", said, re.M)}
    for name in ("release", "report"):
        status, output = found.get(name, ("?", ""))
        text = " ".join(base64.b64decode(output).decode(errors="replace").split())[:160]
        yield Step(name, None if status == "-" else status == "0", text if status != "-" else f"no bin/{name}")


def _why(pushed: Finished) -> str:
    lines = [line for line in pushed.stderr.splitlines() if line.strip()]
    return "\n         ".join(["", *lines[-LAST_LINES:]])


@contextmanager
def prepared(arguments: argparse.Namespace, work: Path) -> Iterator[Trial]:
    """An app of the platform's that the buildpack builds; it is destroyed afterwards."""
    platform = connect_platform(os.environ, work)
    site, checkout, name = work / "site", work / "app", f"compat-{uuid.uuid4().hex[:8]}"
    site.mkdir()
    for pack, folder in (("tried", arguments.buildpack), ("checker", CHECKER)):
        subprocess.run(["tar", "-czf", str(site / f"{pack}.tgz"), "--exclude=.git", "-C", str(folder), "."], check=True)
    shutil.copytree(arguments.app, checkout, symlinks=True, ignore=IGNORED)
    with outside(site) as url:
        platform.hostctl("apps:create", name)
        try:
            packs = [*arguments.before, f"{url}/tried.tgz", f"{url}/checker.tgz"]
            platform.hostctl("buildpacks:set", *packs, "-a", name)
            if arguments.config:
                platform.hostctl("config:set", *arguments.config, "-a", name)
            platform.commit({}, checkout)
            yield Trial(platform, name, checkout, arguments.path, arguments.verbose)
        finally:
            platform.hostctl("apps:destroy", "-a", name, "--confirm", name, check=False)


def main(words: Sequence[str]) -> int:
    """Print one line per step; the exit status is 1 when one failed."""
    parser = argparse.ArgumentParser(prog="tests/compat/buildpacks/run", description=__doc__)
    parser.add_argument("buildpack", help="a local clone of the buildpack")
    parser.add_argument("app", help="a directory with an app")
    parser.add_argument("--config", action="append", default=[], metavar="NAME=VALUE", help="a config var of the app")
    parser.add_argument("--before", action="append", default=[], metavar="BUILDPACK", help="one that comes before it")
    parser.add_argument("--path", default="/", help="the page that is asked for at the end")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the transcripts")
    parser.add_argument("--from", dest="origin", default=".", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    for name in ("buildpack", "app"):
        setattr(arguments, name, Path(arguments.origin, getattr(arguments, name)))
    failed = False
    with tempfile.TemporaryDirectory() as work, prepared(arguments, Path(work)) as trial:
        for step in trial.steps():
            print(step, flush=True)
            failed |= step.passed is False
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
