"""Assaults: what hostile clients do to a router, as many at once as the `Target` says. Each runs its course and returns
what its clients met: a status, or that they were hung up on.

The tests ask what comes of the worker and of another app's visitors; `benchmarks/hostile.py` how long those wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hostile import floods, slow, storms
from hostile.target import Met, Target

Assault = Callable[[Target], Awaitable[Met]]

WAITING: dict[str, Assault] = {
    "slow heads": slow.heads, "slow names": slow.names, "slow bodies": slow.bodies, "slow chunks": slow.chunks,
    "slow trailers": slow.trailers, "slow readers": slow.readers, "silence": slow.silence,
    "silent handshakes": slow.silent_handshakes, "slow handshakes": slow.handshakes,
    "closed windows (h2)": floods.closed_windows,
}  # fmt: skip
"""Those that go on until the router has had enough."""

STORMING: dict[str, Assault] = {
    "connects": storms.connects, "requests left": storms.requests_left, "halves left": storms.halves_left,
    "handshakes left": storms.handshakes_left, "answers left": storms.answers_left, "handshakes": storms.handshakes,
    "no handshakes": storms.no_handshakes, "endless heads": storms.endless_heads,
    "endless lines": storms.endless_lines, "endless trailers": storms.endless_trailers,
    "endless extensions": storms.endless_extensions, "crumbs": storms.crumbs,
    "pipelines to nowhere": storms.pipelines_to_nowhere, "pipelines": storms.pipelines, "ranges": storms.ranges,
    "small frames": storms.small_frames, "pings (h2)": floods.pings, "settings (h2)": floods.settings,
    "empty data (h2)": floods.empty_data, "rapid resets (h2)": floods.rapid_resets,
    "resets made (h2)": floods.resets_made, "continuations (h2)": floods.continuations,
    "small windows (h2)": floods.small_windows, "packed heads (h2)": floods.packed_heads,
}  # fmt: skip
"""Those that do what they do as fast as they can."""
