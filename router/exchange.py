"""Exchange: the life of one request, from its head to its log line: passing on, timing out, retrying, answering.

A request is never sent twice to dynos unless HTTP allows it (`RequestHead.replayable`) or not a byte of it was sent.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import httptools

from router import faults, pages
from router.answers import AnswerHead, Framing, interim, read_answer
from router.backend import Backend
from router.challenges import proof
from router.faults import Fault
from router.fields import Field, Refused
from router.heads import CHUNKED, RequestHead
from router.https import redirect, with_hsts
from router.journal import ERROR
from router.record import record
from router.search import Search
from router.stage import Stage
from router.trailers import trailer_lines
from router.upstream import Upstream

if TYPE_CHECKING:
    from router.load import Load
    from router.plane import Route
    from router.side import Side


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_answer", "_body", "_fields", "_heard", "_keep_client", "_load", "_out", "_replayed", "_said", "_search",
        "_sent", "_sent_at", "_status", "_taken", "app_id", "arrived", "backend", "client", "connect", "cookie",
        "deadline", "head", "received", "stage", "upstream",
    )  # fmt: skip

    _answer: AnswerHead
    _out: list[bytes]

    def __init__(self, client: Side, head: RequestHead, fields: list[Field]) -> None:
        self.client = client
        self.head = head
        self.received = not head.length
        self.stage = Stage.QUEUED
        self.arrived = monotonic()
        self._sent_at = 0.0
        self.app_id = ""
        self.connect = 0.0
        self.cookie = b""
        """A line that the head of the answer gets."""
        self.backend: Backend | None = None
        self.upstream: Upstream | None = None
        self._fields = fields
        self._load: Load | None = None
        self._search: Search | None = None
        self._body: list[bytes] | None = None
        self._heard = False
        self._replayed = False
        self._said = False
        self._keep_client = False
        self._sent = 0
        self._taken: int | None = None

    def begin(self) -> None:
        """Its turn on the client's connection has come: take a pooled connection, or search for one."""
        plane = self.client.plane
        route = plane.find(self.head.host)
        if route is not None and route.open:
            if self.answered_here(route) or not self.enter(route):
                return
            backend = plane.choose(route.load.ready, ())
            assert backend is not None
            if backend.in_flight >= plane.settings.max_unanswered and backend.full:
                self._begin_search().route()
                return
            upstream = backend.take(not self.head.replayable)
            if upstream is not None:
                backend.in_flight += 1
                self.backend = backend
                self.send(upstream)
            else:
                self._begin_search().connect(backend)
        else:
            self._begin_search().route()

    def fields(self, name: bytes) -> list[bytes]:
        """The values of a header of the request, by its name in lower case."""
        return [value.strip(b" \t") for known, value in self._fields if known.lower() == name]

    def enter(self, route: Route) -> bool:
        """This is the app that the request is for. Returns whether there is room for it; otherwise it has failed."""
        load = route.load
        self.app_id = route.app.id
        if self._load is load:
            return True
        if self._load is not None:
            self._load.active -= 1
        self._load = load
        load.active += 1
        if load.active <= self.client.plane.settings.max_active:
            return True
        self.fail(faults.H22)
        return False

    def send(self, upstream: Upstream) -> None:
        """There is a connection: send what has arrived of the request."""
        self.stage = Stage.SENT
        self.upstream = upstream
        wire = self.head.wire
        if self._body:
            wire = b"".join((wire, *self._body))
            self._body = None
        settings = self.client.plane.settings
        self._sent_at = monotonic()
        self.deadline = self._sent_at + (settings.first_byte if self.received else self._patience())
        upstream.begin(self, wire)
        if self.client.reading_held:
            self.client.update_reading()

    def answered_here(self, route: Route) -> bool:
        """Answer what is no dyno's to answer: a host that its TLS connection is not for, a certificate authority, and
        http that is to be https. Returns whether it was one of these."""
        app, plane = route.app, self.client.plane
        if self.client.asked_for and plane.misdirected(self.client.asked_for, route):
            self.app_id = app.id
            self.fail(faults.H31)
            return True
        if not app.https_only and not app.challenges:
            return False
        keep = self.head.keep_alive and self.received and not plane.closing
        own = proof(app, self.head, keep) if app.challenges else None
        if own is None and app.https_only and plane.https_port and self.client.origin.protocol == "http":
            own = redirect(self.head, plane.https_port, keep)
        if own is None:
            return False
        self.app_id, self._keep_client = app.id, keep
        status, wire = own
        self.client.write(wire)
        self._finish(None, status)
        return True

    def _begin_search(self) -> Search:
        self.stage = Stage.SEARCHING
        self._search = Search(self)
        return self._search

    # From the client

    @property
    def full(self) -> bool:
        """Whether no more of the request's body can be taken now."""
        if self.upstream is not None:
            return self.upstream.write_paused
        return bool(self._body)

    def body(self, data: bytes) -> None:
        """A piece of the request's body."""
        if self.head.length == CHUNKED:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._pass_on(data)

    def body_end(self, trailers: list[Field]) -> None:
        """The request is complete."""
        if not self.received:
            self.received = True
            if self.head.length == CHUNKED:
                self._pass_on(b"0\r\n%b\r\n" % trailer_lines(trailers))
            elif self.upstream is not None:
                self.touch()

    def _pass_on(self, data: bytes) -> None:
        if self.upstream is not None:
            self.upstream.transport.write(data)
            if self._heard and self.stage is Stage.SENT and not self.received:
                # Time is earned by what arrives: a trickle is as good as silence.
                settings = self.client.plane.settings
                earned = self.deadline + len(data) / settings.body_rate
                self.deadline = min(earned, monotonic() + settings.idle)
            else:
                self._heard = True
                self.touch()
        elif self.stage is not Stage.DONE:
            self._heard = True
            self._body = [*(self._body or ()), data]

    def refuse(self, fault: Fault) -> None:
        """The rest of the request is not HTTP, or handling it failed here."""
        if self.stage is not Stage.DONE:
            self.received = False
            self._let_go()
            self.fail(fault)

    def abandon(self, fault: Fault) -> None:
        """The client has left, or the worker cannot wait for the end."""
        if self.stage not in (Stage.DONE, Stage.TUNNEL):
            self._let_go()
            self.fail(fault)

    # From the dyno

    def interim(self, status: int, reason: bytes, fields: list[Field]) -> None:
        """An answer before the answer (100, 103)."""
        wire = interim(status, reason, fields)
        if not self.head.old:
            self.client.write(wire)
        self.touch()

    def answer(self, status: int, reason: bytes, version: str, fields: list[Field]) -> bool:
        """The head of the answer. Returns whether it is all of the answer."""
        head = self.head
        answer = read_answer(
            status,
            reason,
            version,
            fields,
            head_only=head.method == b"HEAD",
            old_client=head.old,
            keep_client=head.keep_alive and self.received and not self.client.plane.closing,
            framed=self.client.framed,
            offered=head.upgrade,
        )
        self.stage = Stage.ANSWERING
        backend = self.backend
        assert backend is not None
        backend.answering += 1
        if backend.load.queue:
            backend.load.next()
        self._answer = answer
        self._status = status
        self._keep_client = answer.keep_client
        self._out = [b"%b%b\r\n" % (answer.wire[:-2], self.cookie) if self.cookie else answer.wire]
        if self.client.origin.protocol == "https" and (route := self.client.plane.find(head.host)):
            self._out = [with_hsts(self._out[0], fields, route.app.hsts)]
        return answer.framing is Framing.NONE and status != 101

    def answer_body(self, data: bytes) -> None:
        """A piece of the answer's body."""
        self._sent += len(data)
        if self._answer.framing is Framing.CHUNKED:
            self._out += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._out.append(data)

    def answer_end(self, trailers: list[Field]) -> None:
        """There is no more of the body."""
        if trailers and any(name.lower().endswith(b"connection") for name, _ in trailers):
            # The parser minds it there, too, and would refuse the next answer.
            self._answer.keep_dyno = False
        if self._answer.framing is Framing.CHUNKED:
            self._out.append(b"0\r\n%b\r\n" % trailer_lines(trailers) if trailers else b"0\r\n\r\n")
        elif trailers and self._answer.framing is Framing.FRAMES:
            self.client.trail(trailers)

    def flush(self) -> None:
        """Write what the dyno's last bytes made: once per read, not once per piece."""
        if self.stage is Stage.ANSWERING and self._out:
            self._said = True
            self.client.write(b"".join(self._out))
            self._out = []
            self.deadline = monotonic() + self.client.plane.settings.idle

    def answered(self, upstream: Upstream, clean: bool) -> None:
        """The answer is complete. `clean`: the dyno sent nothing after it."""
        self.upstream = None
        backend = self.backend
        assert backend is not None
        backend.leave(answering=True)
        if self._answer.keep_dyno and self.received and clean:
            backend.put(upstream)
        else:
            upstream.transport.close()
        self._finish(None, self._status)

    def switch(self, rest: bytes) -> None:
        """The dyno switched protocols: from now on only bytes are passed on."""
        upstream, backend = self.upstream, self.backend
        assert upstream is not None and backend is not None
        self.stage = Stage.TUNNEL
        self.client.write(b"".join(self._out))
        self.client.begin_tunnel(self, upstream, rest)
        backend.leave(answering=True)

    def tunnel_closed(self, sent: int, silent: bool) -> None:
        """The tunnel that this request became is over."""
        self._sent = sent
        self._keep_client = False
        self._finish(faults.H15 if silent else None, self._status)

    def malformed(self, error: BaseException) -> None:
        """The dyno's bytes are not HTTP, or handling them failed here."""
        self._let_go()
        if isinstance(error, Refused):
            self.fail(error.fault or faults.H17)
        elif isinstance(error, httptools.HttpParserError):
            self.fail(faults.H17)
        else:
            self.client.plane.journal.say(f"H99 request_id={self.head.request_id}: {error!r}", ERROR)
            self.fail(faults.H99)

    def dyno_gone(self, upstream: Upstream, error: Exception | None) -> None:
        """The dyno closed the connection."""
        assert self.backend is not None
        self.upstream = None
        self.backend.leave(self.stage is Stage.ANSWERING)
        if self.stage is Stage.ANSWERING:
            if self._answer.until_close and error is None:
                self.answer_end([])
                self.flush()
                self._finish(None, self._status)
            else:
                self.fail(faults.H18)
        elif upstream.answered or self._replayed or not self.head.replayable:
            self.fail(faults.H13)
        else:
            self._replayed = True
            self._begin_search().again(self.backend)

    # Time

    def touch(self) -> None:
        """Something moved: the silence allowed starts anew."""
        self.deadline = monotonic() + self._patience()

    def expired(self, now: float) -> None:
        """The deadline has passed."""
        if self.stage is Stage.SEARCHING:
            assert self._search is not None
            self._search.expired()
        elif self.stage is Stage.SENT:
            fault = faults.H28 if self._uploading else faults.H12
            self._let_go()
            self.fail(fault)
        elif self.stage is Stage.ANSWERING and not self._still_reading(now):
            self._let_go()
            self.fail(faults.H28 if self.client.write_paused else faults.H15)

    @property
    def _uploading(self) -> bool:
        """Whether it is the client's turn to speak."""
        if self.received or (self.head.expects and not self._heard):
            return False
        return not self.full

    def _patience(self) -> float:
        settings = self.client.plane.settings
        if self.stage is Stage.ANSWERING or self._uploading:
            return settings.idle
        return settings.first_byte

    def _still_reading(self, now: float) -> bool:
        """Whether a slow client took something since the last look."""
        if not self.client.write_paused:
            return False
        taken, before = self.client.taken(), self._taken
        self._taken = taken
        if before is not None and taken <= before:
            return False
        self.deadline = now + self.client.plane.settings.idle
        return True

    # The end

    def fail(self, fault: Fault) -> None:
        """End without the app's answer: a page if the client has seen nothing yet, a broken connection otherwise."""
        if self._said:
            self._keep_client = False
            self.client.break_off(self._answer.framing)
        elif fault.status != 499:
            self._keep_client = self.head.keep_alive and self.received and not self.client.plane.closing
            own = self.client.plane.own_page(fault, self.app_id)
            page = pages.answer(fault, self.head, self._fields, keep_alive=self._keep_client, own=own)
            self.client.write(page)
            self._sent = 0
        self._finish(fault, fault.status)

    def _let_go(self) -> None:
        """Part with the dyno in whatever state its connection is."""
        if self._search is not None:
            self._search.cancel()
        if self.upstream is not None:
            self.upstream.abandon()
            self.upstream = None
            assert self.backend is not None
            self.backend.leave(self.stage is Stage.ANSWERING)

    def _finish(self, fault: Fault | None, status: int) -> None:
        self.stage = Stage.DONE
        # Or they would keep each other, and the client, until the garbage collector comes, which it rarely does.
        self._search = None
        if self._load is not None:
            self._load.active -= 1
        record(self, fault, status, sent=self._sent, sent_at=self._sent_at)
        self.client.finished(self, self._keep_client)
