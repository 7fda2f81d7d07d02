"""`hostctl`: the command line client of hostd, for root on the server, for everybody else over ssh, and from
elsewhere with a token.

Thin: every command is one or a few calls of the HTTP API. Quick: only the module of the command is loaded.
Data goes to stdout, progress and errors to stderr. Exit status 0, 1 for an error, 2 for a wrong command line.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostd.cli.call import Surroundings

INTERRUPTED = 130
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write fails with that no reader ended."""


def main(argv: Sequence[str] | None = None, around: Surroundings | None = None) -> int:
    """Run one command and return its exit status."""
    from hostd.cli.call import Surroundings

    around = around or Surroundings.of_process()
    line = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _run(line, around)
        finally:
            around.stdout.flush()
    except BrokenPipeError:
        _forget_output(around)
        return 0
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        _forget_output(around)
        _complain(around, f"Not everything could be written: {error.strerror}.")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(line: list[str], around: Surroundings) -> int:
    from hostd.cli.call import Call
    from hostd.cli.command import Parsed, Refused, Usage, parse
    from hostd.cli.index import find
    from hostd.errors import HostdError, to_terminal

    command = None
    try:
        command = find(line[0] if line else "help")
        if command.local and around.over_ssh:
            raise Refused(f"{command.name} works only where hostctl is installed, not over ssh.")
        parsed = parse(command, line[1:])
        if "help" in parsed.values:
            command, parsed = find("help"), Parsed({}, [command.name])
        call = Call(command, parsed, around)
        status = command.action(call) or 0
        if call.answers:
            call.print_json(call.client.answered)
        return status
    except Usage as error:
        # One that ends in a command says the next step by itself.
        more = f" See: hostctl {command.name} --help" if command and str(error).endswith((".", "?")) else ""
        _complain(around, f"{error}{more}")
        return error.status
    except Refused as error:
        _complain(around, str(error))
        return error.status
    except HostdError as error:
        around.stderr.write(f"{to_terminal(error)[0]}\n")
        return 1


def _complain(around: Surroundings, message: str) -> None:
    from hostd.cli.output import printable

    around.stderr.write("".join(f" !    {printable(line)}\n" for line in message.splitlines()))


def _forget_output(around: Surroundings) -> None:
    """The reader has gone (`hostctl ... | head`): let the interpreter's last flush go nowhere."""
    if around.stdout is sys.stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
