"""A dyno: its name, its unit, its states, and what is known of it."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

RELEASE_PHASE = "release"
"""The process type whose command runs once for each release, before it is made."""
SCHEDULED = "scheduler"
"""The process type of the runs of scheduled jobs. A Procfile may have one of that name too: see `FIRST_ONE_OFF`."""
FIRST_ONE_OFF = 1000
"""Numbers of one-off dynos begin here, as on Heroku; those of a formation end long before."""

_DESCRIPTION = re.compile(
    r"^(?P<app>\S+) (?P<type>[A-Za-z0-9_-]+)\.(?P<number>\d+) v(?P<version>\d+)(?: (?P<size>\S+))?"
    r" at (?P<address>[0-9a-fA-F.:]+):(?P<port>\d+)$"
)


class DynoState(enum.Enum):
    """What a user sees in ``ps``; the words are Heroku's."""

    CREATED = "created"
    STARTING = "starting"
    UP = "up"
    IDLE = "idle"
    CRASHED = "crashed"
    DOWN = "down"
    COMPLETE = "complete"


TRANSITIONS: dict[DynoState, frozenset[DynoState]] = {
    DynoState.CREATED: frozenset({DynoState.STARTING, DynoState.CRASHED, DynoState.DOWN}),
    DynoState.STARTING: frozenset(
        {DynoState.UP, DynoState.CRASHED, DynoState.DOWN, DynoState.COMPLETE}
    ),
    DynoState.UP: frozenset({DynoState.IDLE, DynoState.CRASHED, DynoState.DOWN, DynoState.COMPLETE}),
    DynoState.IDLE: frozenset({DynoState.STARTING, DynoState.DOWN}),
    DynoState.CRASHED: frozenset({DynoState.STARTING, DynoState.DOWN}),
    DynoState.DOWN: frozenset({DynoState.STARTING}),
    DynoState.COMPLETE: frozenset(),
}
"""Which state may follow which; :func:`transition` refuses every other pair."""


class ImpossibleTransitionError(AssertionError):
    """A dyno was about to change state in a way that has no meaning: a mistake in hostd itself."""


def transition(before: DynoState, after: DynoState) -> DynoState:
    """Return *after* if it may follow *before*; raise :class:`ImpossibleTransitionError` if not."""
    if after not in TRANSITIONS[before]:
        raise ImpossibleTransitionError(f"a dyno cannot go from {before.value} to {after.value}")
    return after


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dyno listens: an address of this host and a TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class DynoId:
    """Which dyno of which release of which app: all that its unit's name and description say.

    `size` is the one it was started with; empty for a unit of an older hostd, which did not say it.
    """

    app: str
    type: str
    number: int
    version: int
    place: Place
    size: str = ""

    @property
    def name(self) -> str:
        """The name users know, such as ``web.1``."""
        return f"{self.type}.{self.number}"

    @property
    def unit(self) -> str:
        """The systemd unit, such as ``hostd-hello-web.1-v12.service``."""
        return f"{self.snapshot}.service"

    @property
    def snapshot(self) -> str:
        """The name of the dyno's file tree in the pool: the unit's name without its suffix.

        A dash in the process type is written as a dot, which no name of an app or type has: `bar-web` of the app
        `foo` and `web` of `foo-bar` must not be one unit.
        """
        return f"hostd-{self.app}-{self.type.replace('-', '.')}.{self.number}-v{self.version}"

    @property
    def one_off(self) -> bool:
        """True for a dyno that runs one command once."""
        return self.number >= FIRST_ONE_OFF

    @property
    def description(self) -> str:
        """The unit's description, from which :func:`parse_description` reads the identity back."""
        size = f" {self.size}" if self.size else ""
        return f"{self.app} {self.name} v{self.version}{size} at {self.place}"


def parse_description(text: str) -> DynoId | None:
    """Read a dyno's identity from its unit's description; None if the unit is no dyno.

    The description, not the unit's name, because that says nothing of where the dyno listens.
    """
    match = _DESCRIPTION.match(text)
    if match is None:
        return None
    return DynoId(
        app=match["app"],
        type=match["type"],
        number=int(match["number"]),
        version=int(match["version"]),
        place=Place(match["address"], int(match["port"])),
        size=match["size"] or "",
    )


@dataclass(frozen=True, slots=True)
class Dyno:
    """One dyno as ``ps`` and the API show it. Times are seconds since the epoch."""

    id: str
    app_id: str
    name: str
    type: str
    number: int
    version: int
    state: DynoState
    since: float
    command: str
    size: str
    address: str
    port: int
    retry_at: float | None = None
    """When a crashed dyno is tried again; None if it is not waiting."""
    serving: bool = False
    """True for a web dyno that the router sends requests to."""
    stopping: bool = False
    """True for one that has been told to end; its state says so only when it has."""
    exit_status: int | None = None
    """How a one-off or crashed dyno ended; None while it runs."""
    reason: str = ""
    """Why it crashed, in a few words."""
    unit: str = ""
    """The systemd unit that runs it."""
