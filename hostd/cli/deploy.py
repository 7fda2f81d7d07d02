"""deploy, git:sync."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, Option, Refused, Usage, command
from hostd.cli.duration import BUILD_TIMEOUT, seconds_of
from hostd.cli.leaving import end_with_reader
from hostd.cli.output import printable, size

if TYPE_CHECKING:
    from hostd.cli.packing import Feed, Write
    from hostd.ssh.upload import Outcome

STDIN = "-"
_TAIL = 8192
_STEP = 1 << 20


@command(
    "deploy",
    "[DIR|FILE|-]",
    options=(
        *FOR_APP,
        Option("version", None, "what to call this version, such as v1.2 or a commit", "TEXT"),
        BUILD_TIMEOUT,
    ),
    examples=(
        "hostctl deploy -a hello",
        "hostctl deploy app.tgz --version v1.2 -a hello",
        "tar c . | ssh git@example.com deploy -a hello -",
    ),
)
def deploy(call: Call) -> int:
    """Deploy a directory or a tarball.

    All of the directory (default: where you are) is sent but .git; the build leaves out what .slugignore names.
    A tarball may be compressed with gzip, and have everything below a single folder. With - it is read from
    standard input, and so it is over ssh, where your files are not. Ctrl-C cancels the build. Exit status 1 if
    nothing was released.
    """
    what = call.word or (STDIN if call.around.over_ssh else ".")
    query = _query(call)
    doing = f"Uploading {'a tarball' if what == STDIN else printable(what)} to {query['app']}..."
    with _source(call, what) as (feed, strip), Progress(call, doing) as progress:
        query |= {"version": call.text("version"), "strip": "1" if strip else None}
        return _deploy(call, query, lambda write: feed(progress.counted(write)), progress.over)


@command(
    "git:sync",
    "URL",
    "[REF]",
    options=(*FOR_APP, BUILD_TIMEOUT),
    examples=(
        "hostctl git:sync https://git.example.com/kate/hello.git -a hello",
        "hostctl git:sync https://kate:TOKEN@git.example.com/kate/hello.git v1.2 -a hello",
    ),
)
def sync(call: Call) -> int:
    """Deploy from a git repository elsewhere.

    The build clones it. REF is a branch, a tag or a commit; without it: what the repository has as HEAD. A user and a
    token in the URL are sent to that server, and shown to nobody. Ctrl-C cancels the build. Exit status 1 if
    nothing was released.
    """
    url, *refs = call.words
    body = json.dumps({"git": {"url": url, "ref": refs[0] if refs else None}}).encode()
    return _deploy(call, _query(call), lambda write: write(body), lambda: None, kind="application/json")


class Progress:
    """One line on stderr: what is uploaded, and how much of it; ended when the build begins to speak."""

    def __init__(self, call: Call, doing: str) -> None:
        self._call, self._doing = call, doing
        self._lock = threading.Lock()
        self._sent = self._shown = 0
        self._open = True

    def __enter__(self) -> Progress:
        self._call.say(self._doing, end="")
        return self

    def __exit__(self, *_: object) -> None:
        self.over()

    def counted(self, write: Write) -> Write:
        """The function, counting what passes."""

        def counting(piece: bytes) -> None:
            write(piece)
            self._add(len(piece))

        return counting

    def over(self) -> None:
        """End the line."""
        with self._lock:
            if self._open:
                self._show("\n")
                self._open = False

    def _add(self, count: int) -> None:
        with self._lock:
            self._sent += count
            if self._open and self._sent - self._shown >= _STEP and self._call.around.stderr.isatty():
                self._shown = self._sent
                self._show("")

    def _show(self, end: str) -> None:
        again = f"\r{self._doing}" if self._call.around.stderr.isatty() else ""
        self._call.say(f"{again} {size(self._sent)}", end=end)


def _query(call: Call) -> dict[str, str | None]:
    """What a deploy is told of: the app, the build's id, the time it may take."""
    text = call.text("build-timeout")
    seconds = None if text is None else str(seconds_of(text))
    return {"app": call.app, "build": str(uuid.uuid4()), "timeout": seconds}


@contextmanager
def _source(call: Call, what: str) -> Iterator[tuple[Feed, bool]]:
    """What writes the source, and whether a folder at its top is to be taken off."""
    from hostd.cli import packing

    if what == STDIN:
        if call.around.stdin.isatty():
            raise Usage("Send a tar file on standard input: tar c . | ssh git@HOST deploy -a APP -")
        yield packing.tarball(call.around.stdin.buffer, "Standard input"), True
        return
    if call.around.over_ssh:
        raise Usage("Your files are not on the server. Send them: tar c . | ssh git@HOST deploy -a APP -")
    place = Path(what)
    if place.is_dir():
        yield packing.directory(place), False
        return
    if not place.exists():
        raise Refused(f"There is no {what}.")
    try:
        file = place.open("rb")
    except OSError as error:
        raise Refused(f"{what} cannot be read: {error.strerror}.") from error
    with file:
        yield packing.tarball(file, what), True


def _deploy(
    call: Call,
    query: dict[str, str | None],
    feed: Feed,
    first: Callable[[], None],
    kind: str = "application/x-tar",
) -> int:
    """Converse with hostd about a deploy; `first` is called before anything is printed. Returns the exit status."""
    from hostd.ssh import upload

    end_with_reader(call.around.stdout)
    tail = b""

    def output(piece: bytes) -> None:
        nonlocal tail
        first()
        tail = (tail + piece)[-_TAIL:]
        call.write(piece)

    try:
        outcome = upload.converse(call.client, path("hostd", "deploys", **query), feed, output, kind)
    except upload.BrokenOff:
        first()
        outcome = _asked(call, str(query["build"]), str(query["app"]))
    first()
    if not outcome.released and (outcome.reason or "").split("\n", 1)[0].encode() not in tail:
        call.warn(printable(outcome.reason or "Nothing was deployed."))
    return 0 if outcome.released else 1


def _asked(call: Call, number: str, app: str) -> Outcome:
    from hostd.ssh import upload

    call.warn("The connection to hostd broke. Asking how the deploy ended...")
    outcome = upload.ask(call.client, number, app=app)
    if outcome.released:
        call.say(f"hostd is back, and the deploy is released: v{outcome.version}")
    return outcome
