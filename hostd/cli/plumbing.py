"""The descriptors of a session: those that the dyno gets, those that stay here, and what flows between."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Plumbing:
    """The descriptors of a session: those that the dyno gets, those that stay here, and what flows between."""

    theirs: list[int] = field(default_factory=list)
    ours: list[int] = field(default_factory=list)
    flows: list[Any] = field(default_factory=list)
    _handed_over: list[int] = field(default_factory=list)

    @classmethod
    def terminal(cls, streams: list[int]) -> Plumbing:
        """A terminal of its own for the dyno, copied to and from ours."""
        from hostd.cli.relay import Flow

        main, other = os.openpty()
        os.set_blocking(main, False)
        flows = [Flow(streams[0], main, to_dyno=True), Flow(main, streams[1], to_dyno=False)]
        return cls([other], [main], flows, [other])

    @classmethod
    def pipes(cls, streams: list[int]) -> Plumbing:
        """Our own standard input for the dyno, and pipes whose contents are copied to our output and errors.

        Pipes of our own, because programs open /dev/stdout again, which the app's uid may not do with our files and
        nobody with sockets, as sshd gives; and so that nothing comes before our `up`. Input is passed on as it is,
        so that nothing is read which the command does not read; but for sockets, and our terminal: an app could
        read what is typed on it, and make it non-blocking for the shell we came from.
        """
        plumbing = cls()
        if os.isatty(streams[0]) or stat.S_ISSOCK(os.fstat(streams[0]).st_mode):
            plumbing._add_pipe(streams[0], to_dyno=True)
        else:
            _let_reopen(streams[0])
            plumbing.theirs.append(streams[0])
        plumbing._add_pipe(streams[1], to_dyno=False)
        if os.path.sameopenfile(streams[1], streams[2]):
            # One pipe for both, so that what is written stays in order.
            plumbing.theirs.append(plumbing.theirs[1])
        else:
            plumbing._add_pipe(streams[2], to_dyno=False)
        return plumbing

    def hand_over(self) -> None:
        """Close our copies of what the dyno has got, so that its end is the end of them."""
        while self._handed_over:
            os.close(self._handed_over.pop())

    def close(self) -> None:
        """Close what is left."""
        self.hand_over()
        closed = {flow.sink for flow in self.flows if flow.closes_sink and flow.ended}
        while self.ours:
            if (descriptor := self.ours.pop()) not in closed:
                os.close(descriptor)

    def _add_pipe(self, descriptor: int, *, to_dyno: bool) -> None:
        from hostd.cli.relay import Flow

        reader, writer = os.pipe()
        ours, theirs = (writer, reader) if to_dyno else (reader, writer)
        os.set_blocking(ours, False)
        _let_reopen(theirs)
        self.theirs.append(theirs)
        self.ours.append(ours)
        self._handed_over.append(theirs)
        if to_dyno:
            self.flows.append(Flow(descriptor, ours, to_dyno=True, closes_sink=True))
        else:
            self.flows.append(Flow(ours, descriptor, to_dyno=False))


def _let_reopen(descriptor: int) -> None:
    """Let the app's uid open a nameless pipe again, as programs do that write to /dev/stderr."""
    if str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("pipe:"):
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)
