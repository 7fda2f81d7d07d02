"""A log session's stream: lines as they come, over as many connections as it takes, none lost and none twice."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from hostd.cli.client import Client, path
from hostd.errors import BadRequest, Unavailable
from hostd.places import API_SOCKET, LOGPLEX_SOCKET

EVENTS = "text/event-stream"
PIECE = 64 * 1024
RECONNECT_SECONDS = 900.0
"""How long it is tried to go on after a stream broke off."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts: each pause is twice the one before."""

_NEVER = threading.Event()


class Remarks(Protocol):
    """Where things are said that are not lines of the log."""

    def progress(self, text: str) -> None:
        """A search goes on."""

    def notice(self, text: str) -> None:
        """Something to know."""


def read(client: Client, app: str, wanted: dict[str, object], remarks: Remarks) -> Iterator[list[bytes]]:
    """Lines with their line ends, as many as came together; of a tail without end.

    Each event of the stream bears the journal's cursor, and a stream that is opened again goes on behind the last one.
    Raises Unavailable when it could not be opened again for a quarter of an hour, and BadRequest when the logplex had
    to give it up.
    """
    last: str | None = None
    response = _open(client, app, wanted)
    while True:
        try:
            for batch in _batches(response):
                last = batch.cursor or last
                if batch.lines:
                    yield batch.lines
                _remark(batch, remarks)
            if not wanted.get("tail"):
                return
        except (OSError, http.client.HTTPException):
            response.close()
        response = _reopen(client, app, wanted, last, remarks)


@dataclass(slots=True)
class _Batch:
    cursor: str | None = None
    lines: list[bytes] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


def _reopen(
    client: Client, app: str, wanted: dict[str, object], last: str | None, remarks: Remarks
) -> http.client.HTTPResponse:
    remarks.notice("The log stream broke off. Trying to go on where it was...")
    begun, pause = time.monotonic(), FIRST_PAUSE
    while True:
        _NEVER.wait(pause)
        try:
            response = _open(client, app, wanted, last)
        except (Unavailable, BadRequest):
            # What was a good request before is not understood while hostd and the logplex are being upgraded.
            if time.monotonic() - begun > RECONNECT_SECONDS:
                raise
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            remarks.notice("The log stream goes on.")
            return response


def _open(client: Client, app: str, wanted: dict[str, object], last: str | None = None) -> http.client.HTTPResponse:
    session = client.request("POST", path("apps", app, "log-sessions"), wanted).data
    # The address is for any client. On this machine we reach the logplex on its socket; elsewhere the address leads to
    # the door by which we came. Either way we need only what follows the host.
    target = "/" + str(session["logplex_url"]).split("/", 3)[3]
    headers = {"Accept": EVENTS, **({"Last-Event-ID": last} if last else {})}
    name = LOGPLEX_SOCKET if client.door.is_local else API_SOCKET
    return client.stream("GET", target, headers=headers, socket_name=name)


def _batches(response: http.client.HTTPResponse) -> Iterator[_Batch]:
    """Server-sent events (HTML Standard, 9.2.6), as many as came together. One cut off by a break is dropped."""
    rest = b""
    with response:
        while piece := response.read1(PIECE):
            *events, rest = (rest + piece).split(b"\n\n")
            batch = _Batch()
            for event in events:
                _add(event, batch)
            yield batch


def _add(event: bytes, batch: _Batch) -> None:
    name, data = "message", []
    for line in event.split(b"\n"):
        key, _, value = line.partition(b": ")
        if key == b"data":
            data.append(value)
        elif key == b"id":
            batch.cursor = value.decode()
        elif key == b"event":
            name = value.decode()
    if name == "message":
        batch.lines += [line + b"\n" for line in data]
    else:
        batch.remarks.append((name, b"\n".join(data).decode(errors="replace")))


def _remark(batch: _Batch, remarks: Remarks) -> None:
    for name, text in batch.remarks:
        if name == "failure":
            raise BadRequest(text)
        if name == "notice":
            remarks.notice(text)
        elif name == "progress":
            remarks.progress(text)
