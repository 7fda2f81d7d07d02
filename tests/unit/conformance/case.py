"""Case: one rule of HTTP/1.1 as a dialogue between a client, the router and a dyno, byte for byte.

In the bytes of a table `|` stands for CRLF. What the router adds to every message is checked and taken off by the
stage: X-Request-ID to Via at the end of a request, Via and the Date of an answer that had none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

HEAD = b"GET / HTTP/1.1|Host: a||"
OK = b"HTTP/1.1 200 OK|Content-Length: 2||ok"
POST = b"POST / HTTP/1.1|Host: a|"
CHUNKED = POST + b"Transfer-Encoding: chunked||"


class Act(Enum):
    """What happens next, and who does it."""

    SAY = "the client sends"
    HEAR = "the client receives an answer"
    READ = "the client receives bytes"
    TOOK = "the dyno receives a request"
    MORE = "the dyno receives bytes"
    TELL = "the dyno sends"
    HANG_UP = "the dyno closes"
    LEAVE = "the client closes"
    PASS = "seconds pass"
    ENDED = "the router has closed the client's connection"
    GONE = "the router has closed the dyno's connection"
    LOGGED = "a line with this text was logged"
    STATE = "the app's state is now"


@dataclass(frozen=True)
class Step:
    """One step of a dialogue."""

    act: Act
    data: bytes = b""
    number: float = 0
    text: str = ""
    forwarded: bytes = b"127.0.0.1"
    via: bytes = b"1.1"
    identity: bytes = b""


@dataclass(frozen=True)
class Case:
    """`rule` is the section of an RFC (`9112 6.3`) or the router that has it (`Heroku`, `vegur`)."""

    rule: str
    what: str
    steps: tuple[Step, ...]


def say(data: bytes) -> Step:
    return Step(Act.SAY, wire(data))


def hear(answer: bytes | int) -> Step:
    """These bytes, or a page of the router's with this status."""
    return Step(Act.HEAR, number=answer) if isinstance(answer, int) else Step(Act.HEAR, wire(answer))


def read(data: bytes) -> Step:
    return Step(Act.READ, wire(data))


def took(data: bytes, *, forwarded: bytes = b"127.0.0.1", via: bytes = b"1.1", identity: bytes = b"") -> Step:
    return Step(Act.TOOK, wire(data), forwarded=forwarded, via=via, identity=identity)


def more(data: bytes) -> Step:
    return Step(Act.MORE, wire(data))


def tell(data: bytes) -> Step:
    return Step(Act.TELL, wire(data))


def passing(seconds: float) -> Step:
    return Step(Act.PASS, number=seconds)


def logged(text: str) -> Step:
    return Step(Act.LOGGED, text=text)


def state(name: str) -> Step:
    return Step(Act.STATE, text=name)


HANG_UP, LEAVE, ENDED, GONE = Step(Act.HANG_UP), Step(Act.LEAVE), Step(Act.ENDED), Step(Act.GONE)


def talk(rule: str, what: str, *steps: Step) -> Case:
    """Any dialogue."""
    return Case(rule, what, steps)


def ok(
    rule: str,
    what: str,
    send: bytes = HEAD,
    dyno: bytes | None = None,
    answer: bytes = OK,
    get: bytes | int | None = None,
    *,
    closed: bool = False,
    forwarded: bytes = b"127.0.0.1",
    via: bytes = b"1.1",
    identity: bytes = b"",
) -> Case:
    """One request and its answer; the dyno receives what was sent, and the client what was answered, if not said
    otherwise. Unless `closed`, the connection serves on."""
    taken = took(send if dyno is None else dyno, forwarded=forwarded, via=via, identity=identity)
    end = (ENDED,) if closed else ()
    return Case(rule, what, (say(send), taken, tell(answer), hear(answer if get is None else get), *end))


def no(rule: str, what: str, send: bytes, status: int = 400, log: str = "code=H26") -> Case:
    """A request that reaches no dyno; the connection is closed."""
    return Case(rule, what, (say(send), hear(status), ENDED, logged(log), logged(f"status={status}")))


def bad(rule: str, what: str, answer: bytes, log: str = "code=H17", status: int = 503) -> Case:
    """An answer that reaches no client; the connection to the dyno is closed."""
    return Case(rule, what, (say(HEAD), took(HEAD), tell(answer), hear(status), GONE, logged(log)))


def wire(data: bytes) -> bytes:
    """The bytes that a table's row means."""
    return data.replace(b"|", b"\r\n")
