"""Tables: all of them."""

from __future__ import annotations

from conformance import (
    answers,
    bodies,
    chunks,
    connections,
    fields,
    framing,
    interim,
    limits,
    targets,
    times,
    trailers,
    upgrades,
)
from conformance.case import Case

TABLES = (targets, fields, framing, chunks, bodies, trailers, answers, interim, upgrades, connections, limits, times)
CASES: tuple[Case, ...] = tuple(case for table in TABLES for case in table.CASES)
