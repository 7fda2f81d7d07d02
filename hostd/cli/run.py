"""run, run:detached: one command, once, in a dyno of its own; run:inside, ps:exec: in one that runs already."""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
import time
from collections.abc import Callable
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import Client, path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, Word, command
from hostd.errors import Unavailable

ENV = Option("env", "e", "environment variables for it: 'A=1;B=2'", "VARS", many=True)
TIME_LIMIT = Option("time-limit", None, "stop it after this time: 90s, 30m, 2h", "TIME")
NO_TTY = Option("no-tty", None, "no terminal for COMMAND, even if there is one here")
EXIT_CODE = Option("exit-code", "x", "nothing: the exit status of COMMAND is passed on anyhow")
DYNO = Option("dyno", "d", "the dyno; else web.1", "DYNO")
HOW = (
    ENV,
    Option("size", "s", "dyno size, such as standard-2x", "SIZE"),
    Option("type", None, "a process type: its size, and without COMMAND its command", "TYPE"),
    TIME_LIMIT,
)
ASK_AGAIN_SECONDS = 0.5
UNREACHABLE_SECONDS = 60.0
"""How long hostd may not answer until we give up asking for a dyno it was lost with."""

_NEVER = threading.Event()


@command(
    "run",
    "[COMMAND...]",
    options=(
        *FOR_APP,
        *HOW,
        EXIT_CODE,
        NO_TTY,
    ),
    examples=(
        "hostctl run -a hello bash",
        "hostctl run python manage.py migrate -a hello",
        "hostctl run -a hello 'echo $PORT | tee /tmp/port'",
        "hostctl run -a hello --time-limit 10m -- ls -a",
        "hostctl run -a hello --type worker",
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
    end, unless COMMAND comes after --. If you go away, it is told so (SIGHUP), and stopped if it does not end.
    """
    line, app = _line_or_type(call), call.app
    doing = f"Running `{line}` attached to terminal" if line else f"Running {call.text('type')} attached to terminal"
    if not call.client.door.is_local:
        return _run_far(call, app, line, doing)
    return attach(call, app, doing, lambda env: _create(call, app, line, attach=True, env=env))


@command(
    "run:detached",
    "[COMMAND...]",
    options=(
        *FOR_APP,
        *HOW,
        Option("tail", "t", "show its log until Ctrl-C"),
        JSON,
    ),
    examples=("hostctl run:detached -a hello python import.py", "hostctl run:detached --tail -a hello ./backup"),
    verbatim=True,
)
def detached(call: Call) -> None:
    """Run a command in a dyno of its own, its output going to the app's log."""
    line, app = _line_or_type(call), call.app
    with call.action(f"Running `{line or call.text('type')}` detached") as action:
        dyno = _create(call, app, line, attach=False, env=environment(call.texts("env")))
        action.done = dyno["name"]
    if call.flag("json"):
        call.print_json(dyno)
    if call.flag("tail"):
        from hostd.cli.logs import LINES, show

        show(call, app, {"lines": LINES, "tail": True, "dyno": dyno["name"]})
    else:
        name = dyno["name"]
        call.say(f"See its output: {call.cmd(f'hostctl logs --app {app} --dyno {name}')}")


@command(
    "run:inside",
    "DYNO",
    "COMMAND...",
    options=(*FOR_APP, ENV, TIME_LIMIT, NO_TTY, EXIT_CODE),
    examples=(
        "hostctl run:inside web.1 bash -a hello",
        "hostctl run:inside -a hello web.1 -- ps aux",
        "ssh -t git@HOST run:inside -a hello worker.1 bash",
    ),
    verbatim=True,
)
def inside(call: Call) -> int:
    """Run a command inside a running dyno, beside what runs there.

    It is one more process of the dyno: the same files, network, environment and limits, and memory that it takes
    counts as the dyno's. What it leaves running is stopped with it, and it ends when the dyno does. Input, output,
    terminal and exit status are as with run.
    """
    return attach_inside(call, call.words[0], command_line(call.words[1:]))


@command(
    "ps:exec",
    "[COMMAND...]",
    options=(*FOR_APP, DYNO, ENV, TIME_LIMIT, NO_TTY),
    examples=(
        "hostctl ps:exec -a hello",
        "hostctl ps:exec -a hello -d worker.2",
        "hostctl ps:exec -a hello -- cat /proc/1/status",
        "ssh -t git@HOST ps:exec -a hello",
    ),
    verbatim=True,
)
def execute(call: Call) -> int:
    """Open a shell inside a running dyno, or run COMMAND there.

    It is as run:inside; the dyno is web.1 unless -d says another.
    """
    return attach_inside(call, call.text("dyno") or "web.1", command_line(call.words) if call.words else "bash")


def _run_far(call: Call, app: str, line: str, doing: str) -> int:
    """Run a line in a dyno that is met at the rendezvous, and return its exit status."""
    from hostd.cli.meeting import Meeting, meet, status_of
    from hostd.cli.relay import raw_terminal

    env = environment(call.texts("env"))
    source, sink = call.around.stdin.fileno(), call.around.stdout.fileno()
    terminal = not call.flag("no-tty") and os.isatty(source) and os.isatty(sink)
    if terminal:
        columns, lines = os.get_terminal_size(sink)
        size = {"COLUMNS": str(columns), "LINES": str(lines)}
        env = {"TERM": call.around.env.get("TERM") or "dumb", **size, **env}
    with contextlib.ExitStack() as cleanup:
        with call.action(doing) as action:
            dyno = _create(call, app, line, attach=True, env=env, terminal=terminal)
            sock = cleanup.enter_context(meet(call.client, str(dyno["attach_url"])))
            action.ended, action.done = "up", dyno["name"]
        if terminal:
            cleanup.enter_context(raw_terminal(source))
        Meeting(sock, source, sink).run()
    return status_of(call.client, app, dyno["name"])


def attach_inside(call: Call, dyno: str, line: str) -> int:
    """Run a line inside a dyno, attached; the exit status."""
    app = call.app

    def create(env: dict[str, str]) -> dict[str, Any]:
        body = {"command": line, "env": env, **time_limit(call)}
        answer: dict[str, Any] = call.client.request("POST", path("apps", app, "dynos", dyno), body).data
        return answer

    return attach(call, app, f"Running `{line}` inside {dyno}", create)


def attach(call: Call, app: str, doing: str, create: Callable[[dict[str, str]], dict[str, Any]]) -> int:
    """Have something made with these variables, attach our terminal or pipes to it, and return its exit status."""
    from hostd.cli.attach import Attachment, must_be_local
    from hostd.cli.plumbing import Plumbing
    from hostd.cli.relay import Relay, raw_terminal, same_size

    must_be_local(call, app, terminal=True)
    env = environment(call.texts("env"))
    streams = [stream.fileno() for stream in (call.around.stdin, call.around.stdout, call.around.stderr)]
    terminal = not call.flag("no-tty") and os.isatty(streams[0]) and os.isatty(streams[1])
    if terminal:
        env = {"TERM": call.around.env.get("TERM") or "dumb", **env}
    plumbing = Plumbing.terminal(streams) if terminal else Plumbing.pipes(streams)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(plumbing.close)
        if terminal:
            # Before the dyno starts, so that it never sees a terminal without a size.
            cleanup.enter_context(same_size(streams[0], plumbing.ours[0]))
        with call.action(doing) as action:
            dyno = create(env)
            attachment = Attachment.open(call.client, token_of(dyno), plumbing.theirs, tty=terminal)
            cleanup.callback(attachment.close)
            plumbing.hand_over()
            attachment.wait_until_up()
            action.ended, action.done = "up", dyno["name"]
        if terminal:
            cleanup.enter_context(raw_terminal(streams[0]))
        ask = rejoining(call.client, token_of(dyno), dyno["name"])
        return Relay(attachment, plumbing.flows, output=streams[1], ask=ask).run()


def token_of(dyno: dict[str, Any]) -> str:
    """The token in an answer's `attach_url`."""
    return str(dyno["attach_url"]).partition(":")[2]


def time_limit(call: Call) -> dict[str, int]:
    """--time-limit as a field of a request."""
    from hostd.cli.duration import seconds_of

    return {"time_to_live": seconds_of(text)} if (text := call.text("time-limit")) else {}


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


def rejoining(client: Client, token: str, name: str) -> Callable[[], int]:
    """Goes back to a session after its connection broke, as hostd was restarted, and returns how it ended."""
    from hostd.cli.attach import Attachment

    def ask() -> int:
        deadline = time.monotonic() + UNREACHABLE_SECONDS
        while True:
            try:
                with contextlib.closing(Attachment.rejoin(client, token)) as attachment:
                    attachment.wait_until_up()
                    deadline = time.monotonic() + UNREACHABLE_SECONDS
                    if (status := attachment.wait()) is not None:
                        return status
            except Refused:
                raise Refused(f"{name} ended while hostd restarted; its exit status is not known.") from None
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            _NEVER.wait(ASK_AGAIN_SECONDS)

    return ask


def _line_or_type(call: Call) -> str:
    """COMMAND as a line; empty if the process type's is meant."""
    if call.words:
        return command_line(call.words)
    if not call.text("type"):
        raise Usage("COMMAND is missing.")
    return ""


def _create(
    call: Call, app: str, line: str, *, attach: bool, env: dict[str, str], terminal: bool = True
) -> dict[str, Any]:
    body: dict[str, Any] = {"attach": attach, "env": env, **time_limit(call)}
    if not terminal:
        body["force_no_tty"] = True
    given = {"command": line, "size": call.text("size"), "type": call.text("type")}
    body |= {name: value for name, value in given.items() if value}
    answer: dict[str, Any] = call.client.request("POST", path("apps", app, "dynos"), body).data
    return answer
