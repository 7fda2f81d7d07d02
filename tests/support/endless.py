"""Apps whose deploy never ends by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.platform import Platform
from tests.support.terminal import Terminal, open_terminal

WEB = {"Procfile": "web: python3 -m http.server $PORT\n"}
ENDLESS = {
    **WEB,
    "requirements.txt": "./endless\n",
    "endless/pyproject.toml": """\
[build-system]
requires = []
build-backend = "endless"
backend-path = ["."]

[project]
name = "endless"
version = "1"
""",
    "endless/endless.py": "import signal\n\n\ndef build_wheel(*_, **__):\n    signal.pause()\n",
}
"""An app whose build never ends: one of its packages is never done."""
BUILDING = "Building endless"
MIGRATING = {"Procfile": "release: echo migrating without end; exec tail -f /dev/null\n" + WEB["Procfile"]}
"""An app whose release command never ends."""


@contextmanager
def pushing(platform: Platform, directory: Path, app: str, doing: str = BUILDING) -> Iterator[Terminal]:
    """The terminal of a push that has come to say what it is doing."""
    argv = ["git", "push", platform.git_url(app), "main"]
    with open_terminal(argv, cwd=directory, env=platform.git_environment()) as terminal:
        terminal.expect(doing)
        yield terminal
