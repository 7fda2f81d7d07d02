"""Stage: where a request is in its life."""

from __future__ import annotations

from enum import Enum


class Stage(Enum):
    """One after another, though a retry goes back to SEARCHING and a failure straight to DONE."""

    QUEUED = "behind an earlier request of its connection"
    SEARCHING = "waiting for a connection to a dyno, or for a dyno"
    SENT = "waiting for the first byte of the answer"
    ANSWERING = "passing the answer on"
    TUNNEL = "turned into a tunnel"
    DONE = "over"
