"""What is to be done about stacks: which apps to move, which versions to drop, who needs a stack. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from hostd.ledger.apps import App
from hostd.ledger.releases import Release
from hostd.ledger.slugs import Slug
from hostd.ledger.stacks import StackVersion
from slugs.stacks import HOST, name_of, version_of


def runs_on(release: Release) -> str:
    """What a release runs on, NAME@VERSION; `host` for one from before stacks had versions."""
    return release.stack or HOST


def behind(current: Mapping[str, Release], ref: str) -> list[str]:
    """The apps, of those whose current releases these are, that run on another version of the stack `ref`."""
    return [
        app_id
        for app_id, release in current.items()
        if release.slug_id is not None and runs_on(release) != ref and name_of(runs_on(release)) == name_of(ref)
    ]


def description(before: str, after: str) -> str:
    """What a release says that takes an app from one version of its stack to another: both NAME@VERSION."""
    older = _number(version_of(after)) < _number(version_of(before))
    return f"Stack {name_of(after)} {'taken back' if older else 'updated'} to {version_of(after)}"


def is_move(before: Release, release: Release, ref: str) -> bool:
    """Whether the release is the one that took its app, on the release `before`, to the version of the stack `ref`."""
    is_there = runs_on(release) == ref and bool(behind({release.app_id: before}, ref))
    return is_there and release.description == description(runs_on(before), ref)


def surplus(versions: Sequence[StackVersion], in_use: Collection[str]) -> list[StackVersion]:
    """The versions, given newest first, that may go: not current, not in use, and not the last to go back to."""
    with_one_to_go_back_to: set[str] = set()
    dropped = []
    for version in versions:
        if version.current:
            continue
        if version.name not in with_one_to_go_back_to:
            with_one_to_go_back_to.add(version.name)
        elif version.ref not in in_use:
            dropped.append(version)
    return dropped


def previous(versions: Sequence[StackVersion]) -> StackVersion | None:
    """The version, given newest first, to which one goes back from the current one; None if there is none."""
    current = next((place for place, version in enumerate(versions) if version.current), -1)
    return next(iter(versions[current + 1 :]), None)


def needs(name: str, apps: Iterable[App], current: Mapping[str, Release], kept: Iterable[Slug]) -> dict[str, str]:
    """The apps that need the stack, by name, and what for."""
    found: dict[str, str] = {}
    slugs = [slug for slug in kept if slug.stack == name]
    for app in apps:
        if name_of(runs_on(current[app.id])) == name and current[app.id].slug_id is not None:
            found[app.name] = "runs on it"
        elif app.stack == name:
            found[app.name] = "its next build is for it"
        elif any(slug.app_id == app.id for slug in slugs):
            found[app.name] = "can be rolled back to a release that runs on it"
    return found


def _number(version: str) -> list[int]:
    """A version of a stack, to be compared: 20261121.10 comes after 20261121.9."""
    return [int(part) for part in version.split(".")]
