"""Exchange: the life of one request, from its head to its log line: choosing, waiting, retrying, answering.

A request is never sent twice to dynos unless HTTP allows it (`RequestHead.replayable`) or not a byte of it was sent.
"""

from __future__ import annotations

import asyncio
import errno
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING

import httptools

from router import faults, pages
from router.faults import Fault
from router.heads import CHUNKED, Field, Framing, Refused, RequestHead, interim, read_answer
from router.journal import ERROR
from router.logline import request_line
from router.table import State
from router.tunnel import Tunnel
from router.upstream import Backend, Upstream

if TYPE_CHECKING:
    from router.client import Client
    from router.plane import Route

_FAULT_OF_STATE = {
    State.MAINTENANCE: faults.H80,
    State.NONE: faults.H14,
    State.CRASHED: faults.H10,
}


class Stage(Enum):
    """Where a request is in its life."""

    QUEUED = "behind an earlier request of its connection"
    HELD = "waiting for the route table to change"
    CONNECTING = "waiting for a connection to its dyno"
    SENT = "waiting for the first byte of the answer"
    ANSWERING = "passing the answer on"
    TUNNEL = "turned into a tunnel"
    DONE = "over"


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_app_id",
        "_arrived",
        "_asked",
        "_avoided",
        "_backend",
        "_body",
        "_connect",
        "_fault",
        "_fields",
        "_framing",
        "_heard",
        "_keep_client",
        "_keep_dyno",
        "_out",
        "_replayed",
        "_sent",
        "_status",
        "_task",
        "_tried",
        "_unread",
        "_until_close",
        "client",
        "deadline",
        "head",
        "received",
        "stage",
        "upstream",
    )

    def __init__(self, client: Client, head: RequestHead, fields: list[Field]) -> None:
        self.client = client
        self.head = head
        self._fields = fields
        self.stage = Stage.QUEUED
        self.received = head.length == 0
        self.deadline = float("inf")
        self.upstream: Upstream | None = None
        self._backend: Backend | None = None
        self._task: asyncio.Task[None] | None = None
        self._body: list[bytes] = []
        self._out: list[bytes] = []
        self._tried: tuple[Backend, ...] = ()
        self._fault: Fault = faults.H99
        self._avoided: Backend | None = None
        self._replayed = False
        self._app_id = ""
        self._arrived = 0.0
        self._asked = 0.0
        self._connect = 0.0
        self._heard = False
        self._framing = Framing.NONE
        self._until_close = False
        self._keep_dyno = False
        self._keep_client = False
        self._status = 0
        self._sent = 0
        self._unread = -1

    # Where to

    def begin(self) -> None:
        """Its turn on the client's connection has come."""
        self._arrived = monotonic()
        self.route()

    def route(self) -> None:
        """Look the app up and act on its state; called again whenever the table changes while the request is held."""
        plane = self.client.plane
        if self.stage is Stage.HELD:
            plane.held.discard(self)
            self._tried = ()
        route = plane.find(self.head.host)
        if route is None:
            self.fail(faults.NO_APP if plane.loaded else faults.NO_TABLE)
            return
        self._app_id = route.app.id
        fault = _FAULT_OF_STATE.get(route.app.state)
        if fault is not None:
            self.fail(fault)
        elif route.app.state is State.UP and route.backends:
            self._dispatch(route)
        else:
            self._hold(faults.H20, self._arrived + plane.settings.boot_wait)

    def _dispatch(self, route: Route) -> None:
        plane = self.client.plane
        backend = None
        if self._avoided is not None:
            backend = plane.choose(route.backends, (*self._tried, self._avoided))
        if backend is None:
            backend = plane.choose(route.backends, self._tried)
        if backend is None:
            self._hold(self._fault, monotonic() + plane.settings.settle)
            return
        backend.in_flight += 1
        self._backend = backend
        upstream = None if self._replayed else backend.take(careful=not self.head.replayable)
        if upstream is not None:
            self._send(upstream)
            return
        self.stage = Stage.CONNECTING
        self._asked = monotonic()
        self.deadline = self._asked + plane.settings.connect
        self._task = plane.loop.create_task(self._reach(backend))

    def _hold(self, fault: Fault, until: float) -> None:
        self.stage = Stage.HELD
        self._fault = fault
        self.deadline = until
        self.client.plane.held.add(self)

    async def _reach(self, backend: Backend) -> None:
        plane = self.client.plane
        try:
            _, upstream = await plane.loop.create_connection(
                lambda: Upstream(backend, plane.settings), backend.address, backend.port
            )
        except OSError as error:
            self._unreachable(_connect_fault(error))
            return
        self._task = None
        self._connect = monotonic() - self._asked
        self._send(upstream)

    def _unreachable(self, fault: Fault) -> None:
        """Not a byte was sent, so any request may try the next dyno."""
        assert self._backend is not None
        self._task = None
        self._fault = fault
        self._tried = (*self._tried, self._backend)
        self._backend.leave()
        self.route()

    def _send(self, upstream: Upstream) -> None:
        self.stage = Stage.SENT
        self.upstream = upstream
        wire = self.head.wire
        if self._body:
            wire = b"".join((wire, *self._body))
            self._body = []
        now = monotonic()
        self._asked = now
        self.deadline = now + self._patience()
        upstream.begin(self, wire)
        if self.client.reading_held:
            self.client.update_reading()

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

    def body_end(self) -> None:
        """The request is complete."""
        self.received = True
        if self.head.length == CHUNKED:
            self._pass_on(b"0\r\n\r\n")
        elif self.head.length:
            self.touch()

    def _pass_on(self, data: bytes) -> None:
        self._heard = True
        if self.stage in (Stage.SENT, Stage.ANSWERING):
            assert self.upstream is not None
            self.upstream.transport.write(data)
            self.touch()
        elif self.stage is not Stage.DONE:
            self._body.append(data)

    def client_gone(self) -> None:
        """The client closed its connection."""
        if self.stage not in (Stage.DONE, Stage.TUNNEL):
            self._let_go()
            self._finish(faults.H27, faults.H27.status)

    # From the dyno

    def interim(self, status: int, reason: bytes, fields: list[Field]) -> None:
        """An answer before the answer (100, 103)."""
        if not self.head.old:
            self._out.append(interim(status, reason, fields))
        self.touch()

    def answer(self, status: int, reason: bytes, version: str, fields: list[Field]) -> bool:
        """The head of the answer. Returns whether it is all of the answer."""
        head = self.head
        if status == 101 and not head.upgrade:
            raise Refused(502, "The dyno switched protocols without being asked")
        answer = read_answer(
            status,
            reason,
            version,
            fields,
            head_only=head.method == b"HEAD",
            old_client=head.old,
            keep_client=head.keep_alive and self.received and not self.client.plane.closing,
        )
        self.stage = Stage.ANSWERING
        self._status = status
        self._framing = answer.framing
        self._until_close = answer.until_close
        self._keep_client = answer.keep_client
        self._keep_dyno = answer.keep_dyno
        self._out.append(answer.wire)
        return answer.framing is Framing.NONE and status != 101

    def answer_body(self, data: bytes) -> None:
        """A piece of the answer's body."""
        self._sent += len(data)
        if self._framing is Framing.CHUNKED:
            self._out += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._out.append(data)

    def answer_end(self) -> None:
        """There is no more of the body."""
        if self._framing is Framing.CHUNKED:
            self._out.append(b"0\r\n\r\n")

    def flush(self) -> None:
        """Write what the dyno's last bytes made: once per read, not once per piece."""
        out = self._out
        if out:
            self.client.transport.write(out[0] if len(out) == 1 else b"".join(out))
            self._out = []
        self.touch()

    def answered(self, upstream: Upstream, clean: bool) -> None:
        """The answer is complete. `clean`: the dyno sent nothing after it."""
        self.upstream = None
        assert self._backend is not None
        self._backend.leave()
        if self._keep_dyno and self.received and clean:
            self._backend.put(upstream)
        else:
            upstream.transport.close()
        self._finish(None, self._status)

    def switch(self, rest: bytes) -> None:
        """The dyno switched protocols: from now on only bytes are passed on."""
        upstream, backend = self.upstream, self._backend
        assert upstream is not None and backend is not None
        self.stage = Stage.TUNNEL
        self.client.transport.write(b"".join(self._out))
        tunnel = Tunnel(self, self.client, upstream, self.client.plane.settings.idle)
        backend.leave()
        if rest:
            tunnel.from_dyno(rest)
        self.client.begin_tunnel()

    def tunnel_closed(self, sent: int, silent: bool) -> None:
        """The tunnel that this request became is over."""
        self._sent = sent
        self._keep_client = False
        self._finish(faults.H15 if silent else None, self._status)

    def malformed(self, error: BaseException) -> None:
        """The dyno's bytes are not HTTP, or handling them failed here."""
        self._let_go()
        if isinstance(error, (Refused, httptools.HttpParserError)):
            self.fail(faults.H17)
        else:
            self.client.plane.journal.say(f"H99 request_id={self.head.request_id}: {error!r}", ERROR)
            self.fail(faults.H99)

    def dyno_gone(self, upstream: Upstream, error: Exception | None) -> None:
        """The dyno closed the connection."""
        assert self._backend is not None
        self.upstream = None
        self._backend.leave()
        if self.stage is Stage.ANSWERING:
            if self._until_close and error is None:
                if self._framing is Framing.CHUNKED:
                    self.client.transport.write(b"0\r\n\r\n")
                self._finish(None, self._status)
            else:
                self.fail(faults.H18)
        elif upstream.answered or self._replayed or not self.head.replayable:
            self.fail(faults.H13)
        else:
            self._replayed = True
            self._avoided = self._backend
            self.route()

    # Time

    def touch(self) -> None:
        """Something moved: the silence allowed starts anew."""
        self.deadline = monotonic() + self._patience()

    def expired(self, now: float) -> None:
        """The deadline has passed."""
        if self.stage is Stage.HELD:
            self.client.plane.held.discard(self)
            self.fail(self._fault)
        elif self.stage is Stage.CONNECTING:
            assert self._task is not None
            self._task.cancel()
            self._unreachable(faults.H19)
        elif self.stage is Stage.SENT:
            self._let_go()
            self.fail(faults.H28 if self._uploading else faults.H12)
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
        unread, before = self.client.transport.get_write_buffer_size(), self._unread
        self._unread = unread
        if 0 <= before <= unread:
            return False
        self.deadline = now + self.client.plane.settings.idle
        return True

    # The end

    def fail(self, fault: Fault) -> None:
        """End without the app's answer: a page if the client has seen nothing yet, a broken connection otherwise."""
        if self.stage is Stage.ANSWERING:
            self._keep_client = False
            if self._framing is Framing.CLOSE:
                self.client.transport.abort()
        elif fault.status != 499:
            self._keep_client = self.head.keep_alive and self.received and not self.client.plane.closing
            page = pages.answer(
                fault,
                accept=next((value for name, value in self._fields if name.lower() == b"accept"), b""),
                request_id=self.head.request_id,
                keep_alive=self._keep_client,
                head_only=self.head.method == b"HEAD",
                old=self.head.old,
            )
            self.client.transport.write(page)
        self._finish(fault, fault.status)

    def refuse(self, fault: Fault) -> None:
        """The rest of the request is not HTTP, or handling it failed here."""
        if self.stage is not Stage.DONE:
            self.received = False
            self._let_go()
            self.fail(fault)

    def _let_go(self) -> None:
        """Part with the dyno in whatever state its connection is."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        elif self.upstream is None:
            return
        if self.upstream is not None:
            self.upstream.abandon()
            self.upstream = None
        assert self._backend is not None
        self._backend.leave()

    def _finish(self, fault: Fault | None, status: int) -> None:
        plane = self.client.plane
        self.stage = Stage.DONE
        plane.held.discard(self)
        plane.statuses[status] += 1
        if fault is not None:
            plane.faults[fault.code] += 1
        head = self.head
        now = monotonic()
        plane.journal.request(
            self._app_id,
            request_line(
                fault=fault,
                method=head.method.decode("ascii"),
                target=head.target,
                host=head.host,
                request_id=head.request_id,
                forwarded=head.forwarded,
                dyno=self._backend.name if self._backend else "",
                connect=self._connect,
                service=now - self._asked,
                status=status,
                sent=self._sent,
                protocol=self.client.origin.protocol,
            ),
        )
        self.client.finished(self, self._keep_client)


def _connect_fault(error: OSError) -> Fault:
    if isinstance(error, ConnectionError):
        return faults.H21
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT):
        return faults.H19
    return faults.H99
