"""The installer's second half, in Python: everything after the virtual environment is there.

`install.sh` prepares packages, box and virtual environment and then runs `hostd-install`, on a server and in
a box alike. Every step compares before it changes, so a second run changes nothing.
"""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """The program `hostd-install`; returns the exit status."""
    from hostd.install.cli import main as run

    return run(argv)
