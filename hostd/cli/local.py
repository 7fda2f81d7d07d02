"""local, local:run, local:check: a Procfile on one's own machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from hostd.cli.call import Call
from hostd.cli.command import JSON, Option, Refused, Usage, command
from hostd.cli.output import BLUE, CYAN, GREEN, MAGENTA, RED, YELLOW

PROCFILE = Option("procfile", "f", "the Procfile (default: Procfile); processes run where it is", "FILE")
ENV = Option("env", "e", "files of config vars, several with commas (default: .env)", "FILE", many=True)
PORT = Option("port", "p", "the first port (default: PORT in .env, or 5000)", "PORT")
GRACE = Option("timeout", "t", "seconds that processes may take to end (default: 5)", "SECONDS")
GRACE_SECONDS = 5
DEFAULT_ENV = ".env"
SYSTEM = "system"
_COLOURS = (CYAN, YELLOW, GREEN, MAGENTA, BLUE, RED)
_SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh")


@command(
    "local",
    "[TYPE=NUMBER...]",
    options=(PROCFILE, ENV, PORT, GRACE),
    examples=(
        "hostctl local",
        "hostctl local web=2,worker=1",
        "hostctl local web -e .env,.env.test -p 7000",
        "hostctl local -f Procfile.dev",
    ),
    local=True,
)
def local(call: Call) -> int:
    """Run the app of this directory on this machine, all processes of its Procfile together.

    Without words one process of each type but release; with words those only. Each has a PORT: 5000 for the first
    type, 5100 for the second, one more for each further process of a type. What they write comes with the time and the
    name before it. Ctrl-C ends them all (TERM, then KILL); when one ends, so do the others, and hostctl ends with its
    status.
    """
    from hostd.local.crew import Crew, NotStarted
    from hostd.local.plan import PlanError, base_port, environment, formation, processes

    grace = call.number("timeout", GRACE_SECONDS, 0, 3600)
    file, commands = _commands(call)
    settings, outer = _settings(call), call.around.env
    try:
        wanted = formation(call.words, list(commands))
        planned = processes(commands, wanted, base_port(call.text("port"), settings, outer))
    except PlanError as error:
        raise Usage(str(error)) from error
    stream = _Stream(call, [process.name for process in planned])
    crew = Crew(stream.show, lambda text: stream.show(SYSTEM, text.encode()), grace)
    try:
        return crew.run(
            [(process, environment(process, settings, outer)) for process in planned], _shell(), str(file.parent)
        )
    except NotStarted as error:
        raise Refused(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(f"What the processes write cannot be shown: {error.strerror}. They were ended.") from error


@command(
    "local:run",
    "COMMAND...",
    options=(PROCFILE, ENV, PORT),
    examples=("hostctl local:run python manage.py migrate", "hostctl local:run -e .env.test -- bin/test --fast"),
    verbatim=True,
    local=True,
)
def run(call: Call) -> int:
    """Run one command on this machine, with the config vars of .env.

    It has this terminal, and hostctl ends with its status. Flags go before COMMAND.
    """
    from hostd.cli.run import command_line
    from hostd.local.plan import PlanError, Process, base_port, environment

    settings, outer = _settings(call), call.around.env
    try:
        port = base_port(call.text("port"), settings, outer)
    except PlanError as error:
        raise Usage(str(error)) from error
    line = command_line(call.words)
    env = environment(Process("run.1", line, port), settings, outer)
    call.around.stdout.flush()
    shell = _shell()
    os.execve(shell, [shell, "-c", line], env)  # noqa: S606 - the line is the user's own, for their own shell
    raise AssertionError("unreachable: the shell has taken our place")


@command(
    "local:check",
    options=(PROCFILE, ENV, JSON),
    examples=("hostctl local:check", "hostctl local:check -f Procfile.dev --json"),
    local=True,
)
def check(call: Call) -> None:
    """Check the Procfile and .env of this directory, as the platform reads them.

    Exit status 1, with the line, if one cannot be used.
    """
    _, commands = _commands(call)
    settings = _settings(call)
    if call.flag("json"):
        call.print_json({"processes": commands, "variables": sorted(settings)})
        return
    call.print(f"Valid Procfile: {', '.join(commands)}")
    if settings:
        call.print(f"Variables: {', '.join(sorted(settings))}")


class _Stream:
    """Lines with the time and a name before them, the names in one column and each in a colour of its own."""

    def __init__(self, call: Call, names: list[str]) -> None:
        self._call = call
        self._width = max(map(len, [*names, SYSTEM]))
        self._colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}

    def show(self, name: str, text: bytes) -> None:
        """Write one line. Raises OSError if nobody reads it."""
        now = time.strftime("%H:%M:%S", time.localtime(self._call.around.clock()))
        head = f"{now} {name:{self._width}} | "
        colour = self._colours.get(name)
        self._call.write((self._call.style.paint(head, colour) if colour else head).encode() + text + b"\n")


def _commands(call: Call) -> tuple[Path, dict[str, str]]:
    """Where the Procfile is, and its commands; without one those of package.json. Raises Refused."""
    from buildpacks.procfile import ProcfileError, parse

    named = call.text("procfile")
    file = (Path(named) if named else Path("Procfile")).absolute()
    try:
        commands = parse(file.read_bytes())
    except FileNotFoundError:
        if named or not (start := _npm_start(file.parent)):
            raise Refused(f"There is no {named or 'Procfile'}. Go to the app's directory, or say -f FILE.") from None
        call.warn("There is no Procfile: `web: npm start`, as package.json has a start script.")
        return file, start
    except ProcfileError as error:
        raise Refused(f"{str(error).replace('Procfile', file.name, 1)}.") from error
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    if not commands:
        raise Refused(f"{file.name} declares no process. Write one, such as: web: python app.py")
    return file, commands


def _npm_start(folder: Path) -> dict[str, str]:
    """What Heroku runs of an app without a Procfile whose package.json has a start script; else nothing."""
    try:
        said = json.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError):
        return {}
    scripts = said.get("scripts") if isinstance(said, dict) else None
    return {"web": "npm start"} if isinstance(scripts, dict) and scripts.get("start") else {}


def _settings(call: Call) -> Mapping[str, str]:
    """The variables of the files; of several files the last counts. Raises Refused."""
    from hostd.local.environment import EnvError, parse

    given = [name for text in call.texts("env") for name in text.split(",") if name]
    found: dict[str, str] = {}
    for name in given or [DEFAULT_ENV]:
        try:
            found |= parse(Path(name).read_text(encoding="utf-8"), name)
        except FileNotFoundError:
            if given:
                raise Refused(f"There is no {name}.") from None
        except UnicodeDecodeError as error:
            raise Refused(f"{name} is not UTF-8 (byte {error.start + 1}): save it as UTF-8.") from error
        except OSError as error:
            raise Refused(f"{name} cannot be read: {error.strerror}.") from error
        except EnvError as error:
            raise Refused(f"{error}.") from error
    return found


def _shell() -> str:
    """bash where there is one, as on the platform."""
    return next(shell for shell in _SHELLS if Path(shell).exists() or shell == _SHELLS[-1])
