"""One call of a command: its flags and words, its surroundings, and how it speaks to hostd and to the user."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from hostd.cli.command import JSON, Command, Parsed, Refused, Usage
from hostd.cli.output import CYAN, Style, wants_colour

if TYPE_CHECKING:
    from hostd.cli.client import Answer, Client


FALLBACK_WIDTH = 80
"""Columns of a terminal that does not say how many it has."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a command runs. `user` is set when it came over ssh: the key said who it is.

    Over ssh there is no working directory and there are no files: those would be the server's.
    """

    env: Mapping[str, str]
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    user: str | None = None
    clock: Callable[[], float] = time.time

    @classmethod
    def of_process(cls, user: str | None = None, env: Mapping[str, str] | None = None) -> Surroundings:
        """Those of this process."""
        # In their order: each gets the descriptor that was closed.
        stdin, stdout = _opened(sys.stdin, "r"), _opened(sys.stdout, "w")
        return cls(os.environ if env is None else env, stdin, stdout, _opened(sys.stderr, "w"), user)

    @property
    def over_ssh(self) -> bool:
        """True if the command came from another machine."""
        return self.user is not None


def _opened(stream: TextIO | None, mode: Literal["r", "w"]) -> TextIO:
    """The stream; nothing at all where it was closed before we began (`hostctl ps >&-`)."""
    return stream if stream is not None else Path(os.devnull).open(mode, encoding="utf-8")


@dataclass(slots=True)
class Action:
    """A step that is under way; `done` is what stands after `done`."""

    done: str = ""
    ended: str = "done"

    def release(self, answer: Answer) -> None:
        """Say which release the call made."""
        if answer.release is not None:
            self.done = f"v{answer.release}"


@dataclass(slots=True)
class Call:
    """What a command's function is given."""

    command: Command
    parsed: Parsed
    around: Surroundings
    _client: Client | None = field(default=None)

    # What was asked

    @property
    def words(self) -> list[str]:
        """The words that are no flags."""
        return self.parsed.words

    @property
    def word(self) -> str | None:
        """The first word, if there is one."""
        return self.parsed.words[0] if self.parsed.words else None

    def flag(self, name: str) -> bool:
        """True if a flag without a value was given."""
        return name in self.parsed.values

    def text(self, name: str) -> str | None:
        """The value of a flag."""
        values = self.parsed.values.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> list[str]:
        """The values of a flag that may be given several times."""
        return self.parsed.values.get(name, [])

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """The value of a flag that is a number within bounds; raises Usage."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise Usage(f"--{name} must be a number from {least} to {most}, not {text!r}.")
        return int(text)

    # Whom to ask

    @property
    def client(self) -> Client:
        """The API: by this machine's sockets, or of the server that HOSTD_HOST or a login names. Raises Refused."""
        if self._client is None:
            from hostd.cli.client import ADDRESS, Client, run_dir
            from hostd.places import API_SOCKET

            env, directory = self.around.env, run_dir(self.around.env)
            named = env.get("HOSTD_HOST")
            here = env.get("HOSTD_RUN_DIR") or os.access(directory / API_SOCKET, os.W_OK)
            if self.around.over_ssh or (here and not named):
                self._client = Client(directory, self.around.user, address=env.get(ADDRESS))
            else:
                from hostd.cli.servers import NOWHERE, Servers

                door = Servers(env).door()
                if door is None and not (directory / API_SOCKET).exists():
                    raise Refused(NOWHERE)
                self._client = Client(door or directory)
        return self._client

    @property
    def app(self) -> str:
        """The app that is meant: --app, else --remote, else HOSTD_APP, else the git remote. Raises Usage."""
        if app := self.text("app"):
            return app
        remote = self.text("remote")
        if not remote and (app := self.around.env.get("HOSTD_APP")):
            return app
        if self.around.over_ssh:
            raise Usage("Which app? Say -a APP.")
        from hostd.cli.checkout import app_of_remote

        return app_of_remote(remote)

    @property
    def app_if_any(self) -> str | None:
        """As `app`, but None where nothing names one: for commands that mean all apps, or none, without."""
        named = self.text("app") or self.text("remote") or self.around.env.get("HOSTD_APP")
        if not named:
            if self.around.over_ssh:
                return None
            from hostd.cli import checkout

            if not checkout.is_checkout() or not checkout.remotes():
                return None
        return self.app

    # What to say

    @property
    def style(self) -> Style:
        """Colours for stdout."""
        return Style(wants_colour(self.around.env, self.around.stdout.isatty()))

    @property
    def error_style(self) -> Style:
        """Colours for stderr."""
        return Style(wants_colour(self.around.env, self.around.stderr.isatty()))

    @property
    def width(self) -> int:
        """The columns of the terminal that stdout is; 0 if it is none: what reads a pipe wants everything."""
        if not self.around.stdout.isatty():
            return 0
        said = self.around.env.get("COLUMNS", "")
        if said.isascii() and said.isdigit() and int(said):
            return int(said)
        try:
            return os.get_terminal_size(self.around.stdout.fileno()).columns or FALLBACK_WIDTH
        except OSError:
            return FALLBACK_WIDTH

    @property
    def answers(self) -> bool:
        """True if nothing but what the API answered to a change goes to stdout, as JSON."""
        return self.command.answers and self.flag(JSON.name)

    def print(self, *lines: str) -> None:
        """Write lines of data to stdout."""
        if not self.answers:
            self.around.stdout.write("".join(f"{line}\n" for line in lines))

    def print_json(self, value: Any) -> None:
        """Write a value to stdout as JSON."""
        self.around.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def write(self, data: bytes) -> None:
        """Write bytes to stdout at once, as they are."""
        if self.answers:
            return
        self.around.stdout.flush()
        self.around.stdout.buffer.write(data)
        self.around.stdout.buffer.flush()

    def say(self, text: str, end: str = "\n") -> None:
        """Write progress to stderr."""
        # What was printed before must be seen before, when both go to one terminal.
        self.around.stdout.flush()
        self.around.stderr.write(text + end)
        self.around.stderr.flush()

    def warn(self, text: str) -> None:
        """Write a warning to stderr."""
        self.say("\n".join(f" !    {line}" for line in text.splitlines()))

    @contextlib.contextmanager
    def action(self, doing: str) -> Iterator[Action]:
        """`Doing... done, v3` on stderr around a step; `... failed` if it raises."""
        action = Action()
        self.say(f"{doing}...", end="")
        try:
            yield action
        except BaseException:
            self.say(" failed")
            raise
        self.say(f" {action.ended}{', ' if action.done else ''}{action.done}")
        if self._client is not None:
            for warning in self._client.warnings:
                self.warn(f"Warning: {warning}")
            self._client.warnings.clear()

    def confirm(self, name: str, what: str) -> None:
        """Let the user type the name of what is to be destroyed, or have given it as --confirm; else Refused."""
        given = self.text("confirm")
        if given is None and self.around.stdin.isatty() and self.around.stderr.isatty():
            self.warn(f"{what}\nThis cannot be undone. To go on, type {name}, or run this again with --confirm {name}.")
            self.say("> ", end="")
            given = self.around.stdin.readline().strip()
        if given is None:
            raise Refused(f"{what} To go on, run this again with --confirm {name}.")
        if given != name:
            raise Refused(f"{given!r} is not {name}: nothing was done.")

    def cmd(self, text: str) -> str:
        """A command to be shown on stderr."""
        return self.error_style.paint(text, CYAN)

    @property
    def where(self) -> Path | None:
        """The working directory, unless that is another machine's."""
        return None if self.around.over_ssh else Path.cwd()
