"""Scopes: what a token is good for, as Heroku has it (devcenter: oauth, "Scopes"). Pure."""

from __future__ import annotations

from collections.abc import Collection

READING = frozenset({"GET", "HEAD"})

OWN = frozenset({"/account", "/users/~", "/account/rate-limits"})
"""Who one is: every token may ask."""
ACCOUNT = ("/account", "/users", "/oauth", "/hostd/users", "/hostd/audit")
"""Keys, tokens, people and the like: they are no app's, and would make a small token a large one."""
NOT_ACCOUNT = frozenset({"/users/{user}/apps", "/users/{user}/addons", "/users/~/pipeline-couplings"})
OF_APPS = ("/hostd/apps", "/hostd/deploys", "/hostd/sources")
"""What below `/hostd` belongs to apps; the rest of it is the server's."""
READING_POSTS = frozenset(
    {
        "/apps/{app}/log-sessions",
        "/filters/apps",
        "/actions/addons/resolve",
        "/actions/addon-attachments/resolve",
    }
)
"""What is asked with POST and changes nothing."""
PROTECTED = frozenset(
    {
        "/apps/{app}/config-vars",
        "/apps/{app}/releases/{release}/config-vars",
        "/hostd/apps/{app}/slugs/{slug}/tarball",
    }
)
"""Config vars, and what may be as secret."""
RUNNING = frozenset(
    {
        "/app-setups",
        "/apps/{app}/dynos",
        "/apps/{app}/dynos/{dyno}",
        "/apps/{app}/dynos/{dyno}/actions/copy",
        "/apps/{app}/dynos/{dyno}/actions/forward",
        "/hostd/apps/{app}/jobs",
        "/hostd/apps/{app}/jobs/{job}",
        "/hostd/apps/{app}/jobs/{job}/runs",
    }
)
"""With POST and PATCH: running a program that sees config vars, or reaching into one."""


def permits(scope: Collection[str], method: str, pattern: str) -> bool:
    """Whether a token of these scopes is good for a method on a path, given as the route writes it: `/apps/{app}`.

    `global` is good for everything; `identity` for who one is; `read` and `write` for apps and what belongs to them;
    `read-protected` and `write-protected` also for config vars, and for running programs that see them.
    """
    if "global" in scope:
        return True
    reading = method in READING or (method == "POST" and pattern in READING_POSTS)
    if reading and pattern in OWN:
        return True
    if pattern not in NOT_ACCOUNT and _below(pattern, ACCOUNT):
        return False
    if not reading and pattern.startswith("/hostd/") and not _below(pattern, OF_APPS):
        return False
    good = {"write-protected"}
    protected = pattern in PROTECTED or (method in ("POST", "PATCH") and pattern in RUNNING)
    if not protected:
        good.add("write")
    if reading:
        good.add("read-protected")
        if not protected:
            good.add("read")
    return not good.isdisjoint(scope)


def _below(pattern: str, places: Collection[str]) -> bool:
    return any(pattern == place or pattern.startswith(f"{place}/") for place in places)
