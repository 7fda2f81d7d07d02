"""Which slugs may go: a pure decision over what the ledger says of releases and slugs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from hostd.ledger.slugs import Slug, Use

SPARE = 2
"""Slugs of an app that stay however few releases are kept: the current one, and the one to go back to."""


def surplus(slugs: Sequence[Slug], uses: Iterable[Use], kept: int) -> list[Slug]:
    """Those of the slugs that none of the last `kept` releases of any app names, in the order given.

    `uses` are those of apps that still exist. What is current in an app is always kept, and so is the slug that was
    current before it: any number of config changes leaves a way back to the code before.
    """
    needed = _needed(uses, kept)
    return [slug for slug in slugs if slug.id not in needed]


def _needed(uses: Iterable[Use], kept: int) -> set[str]:
    of_apps: defaultdict[str, list[Use]] = defaultdict(list)
    for use in uses:
        of_apps[use.app_id].append(use)
    needed = set()
    for of_app in of_apps.values():
        of_app.sort(key=lambda use: use.version, reverse=True)
        needed |= {use.slug_id for use in of_app[:SPARE]}
        needed |= {use.slug_id for use in of_app if use.version > use.newest - kept}
    return needed
