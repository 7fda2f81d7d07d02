"""Prints the reference part of docs/cli.md: every command's help, from the commands themselves.

python -m hostd.cli.reference docs/cli.md     # writes it into the file, below the marker
"""

from __future__ import annotations

import sys
from pathlib import Path

from hostd.cli.help import of_command
from hostd.cli.index import everything

MARKER = "<!-- Below this line: python -m hostd.cli.reference docs/cli.md -->"


def reference() -> str:
    """The help of all commands as Markdown."""
    sections = [f"### {command.name}\n\n```\n{chr(10).join(of_command(command))}\n```\n" for command in everything()]
    return "\n".join(sections)


def written_into(text: str) -> str:
    """A page with its reference part made anew; raises ValueError without the marker."""
    head, marker, _ = text.partition(MARKER)
    if not marker:
        raise ValueError(f"the page lacks the line: {MARKER}")
    return f"{head}{MARKER}\n\n{reference()}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(written_into(page.read_text()))
