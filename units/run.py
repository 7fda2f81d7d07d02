# ruff: noqa: N818 - errors are named for what happened
"""The one door to child processes: argument lists, never a shell, always with a deadline."""

import asyncio
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STDERR_IN_MESSAGE = 2000


@dataclass(frozen=True)
class Completed:
    """What a child process left: its output as bytes, its exit status (negative: killed by that signal)."""

    stdout: bytes
    stderr: bytes
    returncode: int

    @property
    def text(self) -> str:
        """The standard output as text, with bytes that are not UTF-8 replaced."""
        return self.stdout.decode(errors="replace")


class CommandError(Exception):
    """A child process did not do its work; ``argv`` says which."""

    def __init__(self, argv: Sequence[str], reason: str) -> None:
        self.argv = tuple(argv)
        super().__init__(f"{shlex.join(self.argv)}: {reason}")


class CommandMissing(CommandError):
    """The program is not installed, or the working directory does not exist."""

    def __init__(self, argv: Sequence[str], missing: str) -> None:
        super().__init__(argv, f"{missing} not found")


class CommandFailed(CommandError):
    """The program ran and failed; the end of what it wrote to stderr is in the message."""

    def __init__(self, argv: Sequence[str], returncode: int, stderr: bytes) -> None:
        self.returncode = returncode
        self.stderr = stderr
        said = stderr.decode(errors="replace").strip()[-STDERR_IN_MESSAGE:]
        super().__init__(argv, f"{_ended(returncode)}{': ' + said if said else ''}")


class CommandTimeout(CommandError):
    """The program was killed because it did not end within its deadline (seconds)."""

    def __init__(self, argv: Sequence[str], timeout: float) -> None:
        self.timeout = timeout
        super().__init__(argv, f"did not end within {timeout:g} s")


def run(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float,
    check: bool = True,
) -> Completed:
    """Run a program to its end and collect what it wrote.

    ``env`` replaces the environment when given; standard input is empty without ``input``. Raises
    CommandMissing, CommandTimeout after ``timeout`` seconds, and with ``check`` CommandFailed.
    """
    try:
        done = subprocess.run(
            list(argv), input=input, stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True, env=env, cwd=cwd, timeout=timeout, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise CommandMissing(argv, str(error.filename or argv[0])) from error
    except subprocess.TimeoutExpired as error:
        raise CommandTimeout(argv, timeout) from error
    return _judged(argv, Completed(done.stdout, done.stderr, done.returncode), check)


async def arun(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float,
    check: bool = True,
) -> Completed:
    """``run`` for the event loop; a cancelled caller takes the child down with it."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise CommandMissing(argv, str(error.filename or argv[0])) from error
    try:
        async with asyncio.timeout(timeout):
            stdout, stderr = await process.communicate(input)
    except TimeoutError as error:
        raise CommandTimeout(argv, timeout) from error
    finally:
        await _reaped(process)
    assert process.returncode is not None
    return _judged(argv, Completed(stdout, stderr, process.returncode), check)


async def _reaped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


def _judged(argv: Sequence[str], completed: Completed, check: bool) -> Completed:
    if check and completed.returncode != 0:
        raise CommandFailed(argv, completed.returncode, completed.stderr)
    return completed


def _ended(returncode: int) -> str:
    return f"killed by signal {-returncode}" if returncode < 0 else f"exited with status {returncode}"
