"""Scopes: what a token is good for, as Heroku has it (devcenter: oauth, "Scopes"). Pure."""

from __future__ import annotations

from collections.abc import Collection

READING = frozenset({"GET", "HEAD"})

OWN = frozenset({"/account", "/users/~", "/account/rate-limits"})
"""Who one is: every token may ask."""
ACCOUNT = ("/account", "/users", "/oauth", "/hostd/audit")
"""Keys, tokens, people and the like: they are no app's, and would make a small token a large one."""
PROTECTED = (
    "/apps/{app}/config-vars",
    "/apps/{app}/releases/{release}/config-vars",
    "/apps/{app}/dynos",
    "/hostd/apps/{app}/dynos",
    "/addons/{addon}/config",
)
"""Config vars, and what runs with them."""


def permits(scope: Collection[str], method: str, pattern: str) -> bool:
    """Whether a token of these scopes is good for a method on a path, given as the route writes it: `/apps/{app}`.

    `global` is good for everything; `identity` for who one is; `read` and `write` for apps and what belongs to them;
    `read-protected` and `write-protected` also for config vars, and for running programs that see them.
    """
    if "global" in scope:
        return True
    reading = method in READING
    if reading and pattern in OWN:
        return True
    if _below(pattern, ACCOUNT):
        return False
    writes = {"write-protected"} if _protected(pattern, reading) else {"write", "write-protected"}
    reads = {"read-protected", "write-protected"} if _protected(pattern, reading) else {"read", "read-protected"}
    return bool((writes | reads if reading else writes).intersection(scope))


def _protected(pattern: str, reading: bool) -> bool:
    # To see which dynos there are shows no config var; to start one does.
    return _below(pattern, PROTECTED) and not (reading and "/dynos" in pattern)


def _below(pattern: str, places: Collection[str]) -> bool:
    return any(pattern == place or pattern.startswith(f"{place}/") for place in places)
