"""run, run:detached: one command, once, in a dyno of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import Client, path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, Word, command
from hostd.errors import NotFound, Unavailable

HOW = (
    Option("env", "e", "environment variables for it: 'A=1;B=2'", "VARS", many=True),
    Option("size", "s", "dyno size, such as standard-2x", "SIZE"),
)
ASK_AGAIN_SECONDS = 0.5
UNREACHABLE_SECONDS = 60.0
"""How long hostd may not answer until we give up asking for a dyno it was lost with."""

_NEVER = threading.Event()


@command(
    "run",
    "COMMAND...",
    options=(
        *FOR_APP,
        *HOW,
        Option("exit-code", "x", "nothing: the exit status of COMMAND is passed on anyhow"),
        Option("no-tty", None, "no terminal for COMMAND, even if there is one here"),
    ),
    examples=(
        "hostctl run -a hello bash",
        "hostctl run python manage.py migrate -a hello",
        "hostctl run -a hello 'echo $PORT | tee /tmp/port'",
        "hostctl run -a hello -- ls -a",
        "hostctl run -a hello pg_dump < /dev/null > dump.sql",
        "ssh -t git@HOST run -a hello bash",
    ),
    verbatim=True,
)
def run(call: Call) -> int:
    """Run a command in a dyno of its own, with the app's current code and config vars.

    It is attached to your terminal, or to whatever standard input, output and error are; what it changes in
    files is gone with it. hostctl ends with its exit status. A COMMAND of one word is a line for the shell; of
    several words each is passed on as it is. Flags go before COMMAND; only -a APP may also stand at the very
    end, unless COMMAND comes after --.
    """
    from hostd.cli.attach import Attachment
    from hostd.cli.relay import Relay, raw_terminal, same_size

    app, line = call.app, command_line(call.words)
    streams = [stream.fileno() for stream in (call.around.stdin, call.around.stdout, call.around.stderr)]
    terminal = not call.flag("no-tty") and os.isatty(streams[0]) and os.isatty(streams[1])
    plumbing = Plumbing.terminal(streams) if terminal else Plumbing.pipes(streams)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(plumbing.close)
        if terminal:
            # Before the dyno starts, so that it never sees a terminal without a size.
            cleanup.enter_context(same_size(streams[0], plumbing.ours[0]))
        with call.action(f"Running `{line}` attached to terminal") as action:
            dyno = _create(call, app, line, attach=True, terminal=terminal)
            token = str(dyno["attach_url"]).partition(":")[2]
            attachment = Attachment.open(call.client, token, plumbing.theirs, tty=terminal)
            cleanup.callback(attachment.close)
            plumbing.hand_over()
            attachment.wait_until_up()
            action.ended, action.done = "up", dyno["name"]
        if terminal:
            cleanup.enter_context(raw_terminal(streams[0]))
        ask = _asker(call.client, app, dyno["name"])
        return Relay(attachment, plumbing.flows, output=streams[1], ask=ask).run()


@command(
    "run:detached",
    "COMMAND...",
    options=(*FOR_APP, *HOW, Option("tail", "t", "show its log until Ctrl-C"), JSON),
    examples=("hostctl run:detached -a hello python import.py", "hostctl run:detached --tail -a hello ./backup"),
    verbatim=True,
)
def detached(call: Call) -> None:
    """Run a command in a dyno of its own, its output going to the app's log."""
    app, line = call.app, command_line(call.words)
    with call.action(f"Running `{line}` detached") as action:
        dyno = _create(call, app, line, attach=False, terminal=False)
        action.done = dyno["name"]
    if call.flag("json"):
        call.print_json(dyno)
    if call.flag("tail"):
        from hostd.cli.logs import LINES, show

        show(call, app, {"lines": LINES, "tail": True, "dyno": dyno["name"]})
    else:
        name = dyno["name"]
        call.say(f"See its output: {call.cmd(f'hostctl logs --app {app} --dyno {name}')}")


def command_line(words: list[str]) -> str:
    """The line for the dyno's shell: one word is a line already, several are quoted to stay what they are.

    What came over ssh was a line before it was words, and stays that line: ssh has taken one layer of quotes off.
    """
    first, last = words[0], words[-1]
    if len(words) == 1:
        line = first
    elif isinstance(first, Word) and isinstance(last, Word):
        line = first.line[first.begin : last.end]
    else:
        line = shlex.join(words)
    if not line.strip():
        raise Usage("COMMAND is missing.")
    return line


def environment(given: list[str]) -> dict[str, str]:
    """`A=1;B=2`, perhaps several times, as a dictionary; raises Usage."""
    env = {}
    for pair in (pair for text in given for pair in text.split(";") if pair):
        key, equals, value = pair.partition("=")
        if not equals:
            raise Usage(f"{pair!r} must be in the form KEY=VALUE.")
        env[key.strip()] = value
    return env


@dataclass(slots=True)
class Plumbing:
    """The descriptors of a session: those that the dyno gets, those that stay here, and what flows between."""

    theirs: list[int] = field(default_factory=list)
    ours: list[int] = field(default_factory=list)
    flows: list[Any] = field(default_factory=list)
    _handed_over: list[int] = field(default_factory=list)

    @classmethod
    def terminal(cls, streams: list[int]) -> Plumbing:
        """A terminal of its own for the dyno, copied to and from ours."""
        from hostd.cli.relay import Flow

        main, other = os.openpty()
        os.set_blocking(main, False)
        flows = [Flow(streams[0], main, to_dyno=True), Flow(main, streams[1], to_dyno=False)]
        return cls([other], [main], flows, [other])

    @classmethod
    def pipes(cls, streams: list[int]) -> Plumbing:
        """Our own standard input for the dyno, and pipes whose contents are copied to our output and errors.

        Pipes of our own, because programs open /dev/stdout again, which the app's uid may not do with our files and
        nobody with sockets, as sshd gives; and so that nothing comes before our `up`. Input is passed on as it is,
        so that nothing is read which the command does not read; but for sockets, and our terminal: an app could
        read what is typed on it, and make it non-blocking for the shell we came from.
        """
        plumbing = cls()
        if os.isatty(streams[0]) or stat.S_ISSOCK(os.fstat(streams[0]).st_mode):
            plumbing._add_pipe(streams[0], to_dyno=True)
        else:
            _let_reopen(streams[0])
            plumbing.theirs.append(streams[0])
        plumbing._add_pipe(streams[1], to_dyno=False)
        if os.path.sameopenfile(streams[1], streams[2]):
            # One pipe for both, so that what is written stays in order.
            plumbing.theirs.append(plumbing.theirs[1])
        else:
            plumbing._add_pipe(streams[2], to_dyno=False)
        return plumbing

    def hand_over(self) -> None:
        """Close our copies of what the dyno has got, so that its end is the end of them."""
        while self._handed_over:
            os.close(self._handed_over.pop())

    def close(self) -> None:
        """Close what is left."""
        self.hand_over()
        closed = {flow.sink for flow in self.flows if flow.closes_sink and flow.ended}
        while self.ours:
            if (descriptor := self.ours.pop()) not in closed:
                os.close(descriptor)

    def _add_pipe(self, descriptor: int, *, to_dyno: bool) -> None:
        from hostd.cli.relay import Flow

        reader, writer = os.pipe()
        ours, theirs = (writer, reader) if to_dyno else (reader, writer)
        os.set_blocking(ours, False)
        _let_reopen(theirs)
        self.theirs.append(theirs)
        self.ours.append(ours)
        self._handed_over.append(theirs)
        if to_dyno:
            self.flows.append(Flow(descriptor, ours, to_dyno=True, closes_sink=True))
        else:
            self.flows.append(Flow(ours, descriptor, to_dyno=False))


def _let_reopen(descriptor: int) -> None:
    """Let the app's uid open a nameless pipe again, as programs do that write to /dev/stderr."""
    if str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("pipe:"):
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)


def _create(call: Call, app: str, line: str, *, attach: bool, terminal: bool) -> dict[str, Any]:
    env = environment(call.texts("env"))
    if terminal:
        env = {"TERM": call.around.env.get("TERM") or "dumb", **env}
    body: dict[str, Any] = {"command": line, "attach": attach, "env": env}
    if size := call.text("size"):
        body["size"] = size
    answer: dict[str, Any] = call.client.request("POST", path("apps", app, "dynos"), body).data
    return answer


def _asker(client: Client, app: str, name: str) -> Callable[[], int]:
    """Asks until the dyno has ended, and returns its exit status; for when hostd restarted meanwhile."""

    def ask() -> int:
        deadline = time.monotonic() + UNREACHABLE_SECONDS
        while True:
            try:
                dyno = client.get(path("apps", app, "dynos", name))
                deadline = time.monotonic() + UNREACHABLE_SECONDS
            except NotFound:
                raise Refused(f"{name} ended while hostd restarted; its exit status is not known.") from None
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            else:
                if dyno["state"] in ("complete", "crashed", "down"):
                    return int(dyno["extended"]["exit_status"] or 0)
            _NEVER.wait(ASK_AGAIN_SECONDS)

    return ask
