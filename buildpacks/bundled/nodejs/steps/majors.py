"""What is known about the release lines of Node.js: the one place to edit when a new one comes out."""

from __future__ import annotations

DEFAULT = "24.x"
"""For apps that do not say: the newest long-term line (https://nodejs.org/en/about/previous-releases)."""

MAINTAINED = (22, 24, 26)
"""Lines that still get security fixes."""

NPM = {
    **{4: "2", 5: "3", 6: "3", 7: "4", 8: "6", 9: "5", 10: "6", 11: "6", 12: "6", 13: "6", 14: "6", 15: "7", 16: "8"},
    **{17: "8", 18: "10", 19: "9", 20: "10", 21: "10", 22: "10", 23: "10", 24: "11", 25: "11", 26: "11"},
}
"""The line of npm that each line of Node.js comes with."""

PNPM = {"5": "7", "6": "8", "9": "10"}
"""The line of pnpm that writes a lock of this version."""

BERRY = {8: "4", 6: "3", 5: "3", 4: "2"}
"""The line of Yarn that writes a lock with this version in its __metadata."""


def npm_for(node: int) -> str:
    """The line of npm for a line of Node.js; for a newer one than is known, that of the newest."""
    return NPM.get(node, NPM[max(NPM)])


def pnpm_for(lock_version: str) -> str:
    """The line of pnpm for a lock's version, such as 9.0; for one not known, that of the newest."""
    return PNPM.get(lock_version.split(".", maxsplit=1)[0], PNPM[max(PNPM, key=int)])


def berry_for(lock_version: int) -> str:
    """The line of Yarn, after 1, for a lock's version."""
    return BERRY[max((known for known in BERRY if known <= lock_version), default=min(BERRY))]
