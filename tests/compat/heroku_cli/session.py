"""Heroku's CLI in a checkout of its own, asked one command after the other; what each did is written down."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hostd.cli.heroku import variables
from tests.compat.heroku_cli.commands import Case
from tests.support.platform import USER, Platform
from tests.support.terminal import open_terminal

SECONDS = 120.0
ROWS, COLUMNS = 33, 101
_STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x00|\x04")


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it printed without colours."""

    status: int
    out: str
    err: str
    seconds: float


@dataclass
class Session:
    """A user of Heroku's CLI."""

    programs: Path
    folder: Path
    env: dict[str, str]
    known: dict[str, str]
    rows: list[tuple[str, str, str, float]] = field(default_factory=list)

    @classmethod
    def begin(cls, platform: Platform, programs: Path, folder: Path, known: Mapping[str, str]) -> Session:
        """Someone who has just set everything up as docs/heroku-cli.md says."""
        setup = json.loads(platform.ssh("heroku:setup").stdout)
        authority = folder / "authority.pem"
        authority.write_text(setup["authority"])
        home, checkout = folder / "home", folder / "checkout"
        # What the CLI says once in the life of a user would be in the first answer.
        (home / ".cache/heroku").mkdir(parents=True)
        (home / ".cache/heroku/terms-of-service").touch()
        checkout.mkdir()
        platform.git(checkout, "init", "-q", "-b", "main")
        env = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(home),
            "TERM": "xterm",
            "GIT_TERMINAL_PROMPT": "0",
            # The box's own certificate is signed by itself, and for *.localhost, which curl takes for no name.
            "GIT_SSL_NO_VERIFY": "1",
            **variables(setup, (setup["api_port"], setup["rendezvous_port"]), authority),
        }
        return cls(programs, folder, env, {"me": USER, "folder": str(folder), **known})

    def run(self, case: Case) -> Ran:
        """Do what a case says."""
        argv = [str(self.programs / "heroku"), *(word.format(**self.known) for word in case.words)]
        began = time.monotonic()
        where = self.folder / "checkout"
        if case.terminal:
            with open_terminal(argv, cwd=where, env=self.env, rows=ROWS, columns=COLUMNS) as terminal:
                status = terminal.wait(SECONDS)
                return Ran(status, _plain(terminal.text), "", time.monotonic() - began)
        done = subprocess.run(
            argv,
            cwd=where,
            env=self.env,
            input=case.typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Ran(done.returncode, _plain(done.stdout), _plain(done.stderr), time.monotonic() - began)

    def judge(self, case: Case, ran: Ran) -> str | None:
        """What is not as it is at Heroku; None if all is."""
        if ran.status != case.status:
            return f"it ended with {ran.status}, not {case.status}"
        for name, wanted, printed in (("out", case.out, ran.out), ("err", case.err, ran.err)):
            expression = wanted.format(**{name: re.escape(text) for name, text in self.known.items()})
            if wanted and not re.search(expression, printed):
                return f"std{name} has no {expression!r}"
        if case.keep:
            name, _, expression = case.keep.format(**self.known).partition(":")
            found = re.search(expression, ran.out)
            assert found is not None
            self.known[name] = found[1]
        return None

    def note(self, case: Case, ran: Ran, trouble: str | None) -> None:
        """Write down how it was."""
        well = "as at Heroku, in words of its own" if case.own_words else "as at Heroku"
        verdict = f"not yet: {case.missing}" if case.missing and trouble else (trouble or well)
        self.rows.append((" ".join(case.words).format(**self.known), str(ran.status), verdict, ran.seconds))

    def table(self) -> str:
        """What was noted, as lines."""
        return "\n".join(
            f"{line[:64]:64} {status:>4} {took:>5.1f} s  {verdict}" for line, status, verdict, took in self.rows
        )


def _plain(text: str) -> str:
    return _STYLES.sub("", text).replace("\r\n", "\n")
