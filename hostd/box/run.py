"""The box's one door to child processes: argument lists, a deadline, the child's own words when it fails."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hostd.box.errors import BoxError


def run(argv: Sequence[str | Path], *, timeout: float = 60.0, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return its standard output.

    `timeout` is in seconds. Raises BoxError if the command is missing, fails or takes too long.
    """
    words = [str(word) for word in argv]
    try:
        ended = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        raise BoxError(f"the command {words[0]} is not installed on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise BoxError(f"`{' '.join(words)}` did not end within {timeout:g} s") from error
    if ended.returncode != 0:
        reason = ended.stderr.strip() or f"exit status {ended.returncode}"
        raise BoxError(f"`{' '.join(words)}` failed: {reason}")
    return ended.stdout
