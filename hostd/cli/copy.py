"""ps:copy: a file, or a directory as a tar archive, out of a running dyno."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from hostd.cli.attach import Attachment, must_be_local
from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, Option, Refused, Usage, command
from hostd.cli.run import DYNO, TIME_LIMIT, time_limit, token_of
from hostd.errors import Unavailable

PIECE = 256 * 1024
SHOW_SECONDS = 0.2
"""How often progress is shown."""
LONGEST_REASON = 4096
_HEADER_BYTES = 32
_UNITS = ("B", "KB", "MB", "GB")


@command(
    "ps:copy",
    "PATH",
    options=(
        *FOR_APP,
        DYNO,
        Option("output", "o", "where to write it, - for standard output; else its own name, here", "FILE"),
        Option("tar", None, "as a tar archive, which may be of a directory"),
        TIME_LIMIT,
    ),
    examples=(
        "hostctl ps:copy log/debug.log -a hello",
        "hostctl ps:copy /tmp/heap.hprof -a hello -d worker.1 --output heap.hprof",
        "hostctl ps:copy --tar tmp -a hello",
        "ssh git@HOST ps:copy -a hello log/debug.log > debug.log",
    ),
)
def copy(call: Call) -> None:
    """Copy a file out of a running dyno.

    A PATH that does not begin with / is below /app. An existing file is replaced, once all has come. Over ssh it
    comes on standard output. The dyno is web.1 unless -d says another.
    """
    app, file, dyno = call.app, str(call.word), call.text("dyno") or "web.1"
    archive = call.flag("tar")
    must_be_local(call, app)
    target = _target(call, file, archive)
    body = {"path": file, "archive": archive, **time_limit(call)}
    doing = f"Copying {file} from {dyno}" + (f" to {target}" if target else "")
    with call.action(doing) as action:
        answer = call.client.request("POST", path("apps", app, "dynos", dyno, "actions", "copy"), body).data
        progress = _Progress(call, doing)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(progress.clear)
            output = cleanup.enter_context(_replacing(target)) if target else call.around.stdout.buffer
            count = receive(call, token_of(answer), output, progress.show)
        action.done = amount(count)


def receive(call: Call, token: str, output: BinaryIO, show: Callable[[int, int | None], None]) -> int:
    """Have a copy made and write it; the number of bytes. Raises Refused with what the dyno said."""
    with contextlib.ExitStack() as cleanup:
        readers, writers = zip(*(os.pipe() for _ in range(2)), strict=True)
        content, errors = (cleanup.enter_context(os.fdopen(reader, "rb")) for reader in readers)
        theirs = [os.open(os.devnull, os.O_RDONLY), *writers]
        try:
            attachment = Attachment.open(call.client, token, theirs, tty=False)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        cleanup.callback(attachment.close)
        attachment.wait_until_up()
        # A line of its own before the bytes; a pipe of which nobody else writes the end.
        size = _size(content.readline(_HEADER_BYTES))
        count = 0
        while piece := content.read1(PIECE):
            count += len(piece)
            if size and count > size:
                # The app can write into whatever its own processes write into.
                raise Refused(f"More came than the {amount(size)} that it has.")
            output.write(piece)
            show(count, size)
        output.flush()
        # The end of both pipes is the end of what wrote: nothing is read for longer than it lives.
        reason = errors.read(LONGEST_REASON).decode(errors="replace").strip()
        status = attachment.wait()
    if status is None:
        raise Unavailable(f"The connection to hostd broke after {amount(count)}. Try it again.")
    if status:
        raise Refused(reason or f"It ended with status {status} after {amount(count)}.")
    if size is not None and count < size:
        raise Refused(f"It became shorter meanwhile: {amount(count)} came instead of {amount(size)}.")
    return count


def amount(count: int) -> str:
    """Bytes for people: `812 B`, `1.4 MB`."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _target(call: Call, file: str, archive: bool) -> str | None:
    """The file to write; None for standard output. Raises Usage."""
    given = call.text("output")
    if call.around.over_ssh or given == "-":
        if given not in (None, "-"):
            raise Usage("Over ssh there is nowhere to write FILE: leave out --output, and write > FILE.")
        if call.around.stdout.isatty():
            raise Usage("The file would be written on your terminal: write > FILE (and leave out ssh's -t).")
        return None
    if given:
        return given
    name = PurePosixPath(file).name
    if name in ("", ".."):
        raise Usage(f"{file!r} has no name: say where to write it, --output FILE.")
    return f"{name}.tar" if archive else name


@contextlib.contextmanager
def _replacing(target: str) -> Iterator[BinaryIO]:
    """A file that becomes `target` when all has been written; otherwise nothing is left of it."""
    fresh = f"{target}.{os.getpid()}.part"
    try:
        # Not through a link, nor into a file that somebody put there: the name can be guessed.
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            os.replace(fresh, target)  # noqa: PTH105 - the name is the user's, as typed
        except BaseException:
            os.unlink(fresh)  # noqa: PTH108 - as above
            raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise Refused(f"{target} cannot be written: {error.strerror}.") from error


class _Progress:
    """How far it is, on a terminal, in the line that says what is done."""

    def __init__(self, call: Call, doing: str) -> None:
        self._call = call
        self._doing = doing
        self._terminal = call.around.stderr.isatty()
        self._shown = time.monotonic()

    def show(self, count: int, size: int | None) -> None:
        """Say it every now and then."""
        if self._terminal and (now := time.monotonic()) - self._shown >= SHOW_SECONDS:
            self._shown = now
            share = f" {min(count, size) * 100 // size}%" if size else ""
            self._line(f"{share} {amount(count)}")

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._terminal:
            self._line("")

    def _line(self, text: str) -> None:
        self._call.say(f"\r{self._doing}...{text}\x1b[K", end="")


def _size(header: bytes) -> int | None:
    """The number of bytes in the line before them; None if it is not known."""
    text = header.strip()
    return int(text) if text.isdigit() else None
