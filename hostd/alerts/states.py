"""How it stands with an alert, and from where to where that can go."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """How it stands with an alert."""

    QUIET = "quiet"
    """Nothing is wrong, or there are no figures."""
    PENDING = "pending"
    """The condition holds, and not yet for long enough."""
    FIRING = "firing"
    """It was told, and holds."""
    ENDING = "ending"
    """It was told, and does not hold any more, but not yet for long enough."""


ALLOWED: dict[State, frozenset[State]] = {
    State.QUIET: frozenset({State.PENDING, State.FIRING}),
    State.PENDING: frozenset({State.QUIET, State.FIRING}),
    State.FIRING: frozenset({State.ENDING, State.QUIET}),
    State.ENDING: frozenset({State.FIRING, State.QUIET}),
}
"""QUIET to FIRING is for one minute that is enough; FIRING to QUIET for figures that stay away."""

TOLD = frozenset({State.FIRING, State.ENDING})
"""States of an alert that was told and has not ended."""


def moved(old: State, new: State) -> State:
    """The new state. Raises ValueError for a way that there is not."""
    if new is not old and new not in ALLOWED[old]:
        raise ValueError(f"an alert cannot go from {old.value} to {new.value}")
    return new
