"""A deploy: what is to become a release, by whom, from where; and how its push ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from buildpacks.source import Source, TarSource
from hostd.app_json import Manifest
from hostd.ledger.apps import App
from hostd.ledger.builds import GIT_PUSH
from hostd.ledger.users import User


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """How a push ended, or that it has not: `status` is `running`, `released` or `rejected`."""

    status: str
    version: int | None = None
    reason: str | None = None


@dataclass(slots=True)
class Setup:
    """What an app that is being set up shall have over what its app.json says; and, once that was read, what it says.

    `problems` are what is wrong with it.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    buildpacks: tuple[str, ...] = field(default=(), repr=False)
    manifest: Manifest | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deploy:
    """Something to be deployed: what, by whom, to where. Its `id` is the build's.

    `commit` is what its owner calls this version; it may be empty, and a git repository says it itself. `label` tells
    people where it came from; no secret is in it. `buildpacks` are for this build alone; without any, those of the
    app. `timeout` in seconds; None for the app's own. `submodules` are the commits of git's submodules by path. `setup`
    is there if the app is being set up by this deploy.
    """

    id: str
    app: App
    user: User
    commit: str = ""
    label: str = GIT_PUSH
    source: Source = field(default_factory=TarSource)
    buildpacks: tuple[str, ...] = field(default=(), repr=False)
    timeout: int | None = None
    submodules: Mapping[str, str] = field(default_factory=dict)
    setup: Setup | None = None

    @property
    def what(self) -> str:
        """What is deployed, in a word or two: `20a5742`."""
        return short(self.commit) or self.label


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be set up: an archive to be downloaded, or one that was uploaded (`tree`), or a source that the build
    fetches itself; and what shall be other than its app.json says. `label` tells people where it comes from."""

    url: str = field(repr=False)
    source: Source
    label: str
    version: str = ""
    checksum: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    buildpacks: tuple[str, ...] = field(default=(), repr=False)
    tree: AsyncIterator[bytes] | None = field(default=None, repr=False)


def short(commit: str) -> str:
    """A version as people say it: a commit by its first seven digits, anything else by its first forty characters."""
    is_hash = len(commit) in (40, 64) and not set(commit) - set("0123456789abcdef")
    return commit[: 7 if is_hash else 40]
