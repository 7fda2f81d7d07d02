"""What every keeper and every session works with."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from hostd.events import Events
from hostd.faults import Faults
from hostd.manager.launcher import Launcher
from hostd.manager.places import Places
from hostd.manager.routing import Routing
from hostd.manager.turns import Turns
from hostd.settings import Settings


@dataclass(frozen=True, slots=True)
class Tools:
    """The effects; `clock` is in seconds and never set, `random` gives numbers from 0 to 1."""

    launcher: Launcher
    routing: Routing
    places: Places
    events: Events
    settings: Settings
    faults: Faults
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    stops: Turns = field(default_factory=Turns)
