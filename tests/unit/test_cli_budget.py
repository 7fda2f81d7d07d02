"""What starting hostctl costs, counted in modules: time is for benchmarks/cli.py, which a busy machine makes long."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_fakes import FakeHostd, as_a_program, dyno

HEAVY = {
    "aiohttp", "argparse", "asyncio", "concurrent.futures", "cryptography", "hostd.cli.remote", "html",
    "importlib.metadata", "logging", "shutil", "sqlite3", "subprocess", "tabulate", "tempfile", "webbrowser",
}  # fmt: skip
"""What no listing needs, and most of what makes a Python program slow to start."""


@pytest.mark.parametrize(
    ("line", "own", "standard"),
    [
        # How many modules of hostd's own and of the standard library, beyond those of a bare Python, one may load.
        (["ps", "-a", "hello"], 13, 115),
        (["--help"], 10, 75),
        (["apps:create", "--help"], 16, 120),
        (["nothing", "such"], 8, 85),
    ],
)
def test_no_more_is_loaded_than_this(tmp_path, line, own, standard):
    with FakeHostd(tmp_path).on("GET /apps/hello/dynos", (200, [dyno("web.1")])).serving():
        loaded = _loaded(tmp_path, line) - _bare(tmp_path)
    ours = {name for name in loaded if name.partition(".")[0] == "hostd"}
    assert not HEAVY & loaded
    assert len(ours) <= own, sorted(ours)
    assert len(loaded - ours) <= standard, sorted(loaded - ours)


def test_help_loads_no_command_but_itself(tmp_path):
    commands = {name for name in _loaded(tmp_path, ["--help"]) if name.startswith("hostd.cli.")}
    assert not commands & {"hostd.cli.apps", "hostd.cli.ps", "hostd.cli.client"}


def _loaded(tmp_path, line):
    program = "import sys; from hostd.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    return _names(tmp_path, program, line)


def _bare(tmp_path):
    return _names(tmp_path, "import sys; print(*sys.modules, file=sys.stderr)", [])


def _names(tmp_path, program, line):
    # -S: what an environment's site-packages load into every Python is not ours.
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, *line],
        capture_output=True, text=True, env=as_a_program(tmp_path), check=True,
    )  # fmt: skip
    return set(done.stderr.splitlines()[-1].split())
