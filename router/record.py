"""Record: what is counted and logged of a request that is over, or of a connection that cannot go on."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from router.heads import Origin, RequestHead
from router.logline import request_line
from router.masking import masked

if TYPE_CHECKING:
    from router.exchange import Exchange
    from router.faults import Fault
    from router.plane import Plane


def record(exchange: Exchange, fault: Fault | None, status: int, *, sent: int, sent_at: float) -> None:
    """Take note of how a request ended. `sent` are bytes of the answer's body; `sent_at` is when the request went to a
    dyno (`time.monotonic`), 0 if it did not."""
    plane, backend = exchange.client.plane, exchange.backend
    now = monotonic()
    plane.statuses[status] += 1
    plane.last_request[exchange.app_id] = now
    service = now - sent_at if sent_at else None
    metrics = plane.metrics.of(exchange.app_id)
    series = backend.series if backend is not None else metrics.elsewhere
    series.add(status, sent, exchange.connect, service)
    if fault is not None:
        plane.faults[fault.code] += 1
        metrics.codes[fault.code] += 1
    names = plane.masks.get(exchange.app_id) if plane.masks else None
    line = request_line(
        exchange.head,
        fault=fault,
        dyno=backend.name if backend is not None else "",
        connect=exchange.connect,
        service=service,
        status=status,
        sent=sent,
        protocol=exchange.client.origin.protocol,
        path=masked(exchange.head.target, names) if names else None,
    )
    plane.journal.request(exchange.app_id, line)


def record_broken(plane: Plane, origin: Origin, fault: Fault) -> None:
    """Take note of why a connection was ended on which no request is at fault."""
    head = RequestHead.improper(b"-", b"", (), origin)
    line = request_line(
        head, fault=fault, dyno="", connect=0, service=None, status=fault.status, sent=0, protocol=origin.protocol
    )
    plane.faults[fault.code] += 1
    plane.journal.request("", line)
