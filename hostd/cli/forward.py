"""ps:forward: connections from here to a port inside a running dyno."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from hostd.cli.attach import Attachment, must_be_local
from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, Refused, Usage, command
from hostd.cli.run import DYNO, token_of
from hostd.errors import HostdError

PIECE = 64 * 1024
LOCAL = "127.0.0.1"
WAITING = 64
LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Pair:
    """A port here and the one inside the dyno that it leads to."""

    local: int
    remote: int


@command(
    "ps:forward",
    "PORT...",
    options=(*FOR_APP, DYNO),
    examples=(
        "hostctl ps:forward 5678 -a hello",
        "hostctl ps:forward 8080:5678 9010 -a hello -d worker.1",
        "ssh git@HOST ps:forward 5678 -a hello",
    ),
)
def forward(call: Call) -> int:
    """Make a port inside a running dyno a port of this machine.

    PORT is one in the dyno, LOCAL:PORT gives it another number here; only this machine itself can connect, until
    Ctrl-C. The dyno is web.1 unless -d says another. Over ssh it is one connection, on standard input and output,
    for what can start a command for each of its connections:
    socat TCP-LISTEN:5678,bind=localhost,fork EXEC:'ssh git@HOST ps:forward 5678 -a hello'
    """
    app, dyno, pairs = call.app, call.text("dyno") or "web.1", pairs_of(call.words)
    if call.around.over_ssh:
        if len(pairs) != 1 or pairs[0].local != pairs[0].remote:
            raise Usage("Over ssh it is one connection to one PORT: ports of your own machine are ssh's to open.")
        if call.around.stdin.isatty():
            raise Usage("This connection is on standard input and output: leave out ssh's -t. See ps:forward --help.")
        with connected(call, app, dyno, pairs[0].remote) as inside:
            return relay_stdio(inside, call.around.stdin.fileno(), call.around.stdout.fileno())
    must_be_local(call, app)
    # Asked once before anybody connects, so that a wrong name is said at once.
    call.client.get(path("apps", app, "dynos", dyno))
    with contextlib.ExitStack() as cleanup:
        for pair in pairs:
            listener = cleanup.enter_context(_listening(pair.local))
            call.say(f"Listening on {LOCAL}:{pair.local}, forwarding to port {pair.remote} of {dyno}")
            threading.Thread(target=_accept, args=(call, app, dyno, pair, listener), daemon=True).start()
        call.say("Use Ctrl-C to stop")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


def pairs_of(words: list[str]) -> list[Pair]:
    """`5678`, `8080:5678`, several of them with commas as Heroku has it; raises Usage."""
    pairs = []
    for word in (word for text in words for word in text.split(",")):
        local, colon, remote = word.partition(":")
        pairs.append(Pair(_port(local), _port(remote if colon else local)))
    return pairs


def connected(call: Call, app: str, dyno: str, port: int) -> socket.socket:
    """A connection to a port inside the dyno; raises Refused or HostdError."""
    answer = call.client.request("POST", path("apps", app, "dynos", dyno, "actions", "forward"), {"port": port}).data
    return Attachment.forwarded(call.client, token_of(answer))


def relay(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until both sides have ended."""
    with one, other:
        back = threading.Thread(target=_copy, args=(other, one), daemon=True)
        back.start()
        _copy(one, other)
        back.join()


def relay_stdio(inside: socket.socket, source: int, sink: int) -> int:
    """Copy standard input to the connection, and the connection to standard output until it ends."""

    def send() -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(source, PIECE):
                inside.sendall(piece)
            inside.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    with contextlib.suppress(ConnectionError):
        while piece := memoryview(inside.recv(PIECE)):
            while piece:
                piece = piece[os.write(sink, piece) :]
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= LAST_PORT):
        raise Usage(f"{text[:20]!r} is not a port: it must be a number from 1 to {LAST_PORT}.")
    return int(text)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOCAL, port))
        except OSError as error:
            hint = f"Give it another number here: ps:forward OTHER:{port}"
            raise Refused(f"Port {port} of this machine cannot be opened: {error.strerror}. {hint}") from error
        listener.listen(WAITING)
        yield listener


def _accept(call: Call, app: str, dyno: str, pair: Pair, listener: socket.socket) -> None:
    # Closed at the end, which ends this.
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(call, app, dyno, pair, client), daemon=True).start()


def _serve(call: Call, app: str, dyno: str, pair: Pair, client: socket.socket) -> None:
    with client:
        try:
            inside = connected(call, app, dyno, pair.remote)
        except (HostdError, Refused) as error:
            call.warn(str(error))
            return
        relay(client, inside)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, and end the sink's input with it."""
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side broke off: so does the other, both ways.
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
