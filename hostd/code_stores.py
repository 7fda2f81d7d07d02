"""What keeps the code of apps and what it runs on, as the API sees it: repositories, sources, slugs, stacks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hostd.ledger.apps import App
from hostd.ledger.slugs import Slug
from hostd.ledger.stacks import StackVersion
from hostd.ledger.users import User
from slugs.build_unit import Output


class Repositories(Protocol):
    """The bare git repositories."""

    async def ensure(self, app: App) -> Path:
        """The app's repository, made if there is none yet."""


class Sources(Protocol):
    """Uploaded sources."""

    def create(self, owner: App | User) -> str:
        """A place for the source of a build of the app, or of any that the user begins; its id."""

    async def receive(self, source_id: str, pieces: AsyncIterator[bytes]) -> None:
        """Take an upload in, whole or not at all."""

    def open(
        self, app: App | None, source_id: str, checksum: str | None, user: User | None = None
    ) -> AsyncIterator[bytes]:
        """What was uploaded for the app, or by the user for any.

        Raises NotFound if nothing was, Invalid if it has another checksum.
        """

    def is_there(self, source_id: str) -> bool | None:
        """Whether something was uploaded to this place; None if there is no such place, or not any more."""

    def discard(self, source_id: str) -> None:
        """Forget a place with what was uploaded to it."""


class Space(Protocol):
    """What is needed of `slugs.pool.Pool`."""

    def free_bytes(self) -> int:
        """Bytes left in the pool."""

    def total_bytes(self) -> int:
        """Bytes of the pool."""

    def has_slug(self, slug_id: str) -> bool:
        """Whether the slug's files are there."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes that a slug or cache takes on disk: `exclusive_bytes` of `total_bytes` come free when it is deleted."""

    total_bytes: int
    exclusive_bytes: int


class SlugStore(Protocol):
    """The slug store, as the API sees it."""

    async def usage(self, slug: Slug) -> Usage | None:
        """What a slug takes on disk; None when that cannot be told."""

    async def cache_usage(self, app: App) -> Usage | None:
        """What the app's build cache takes on disk; None without one, or when that cannot be told."""

    def purge_cache(self, app: App) -> bool:
        """Throw the app's build cache away; whether there was one. Raises Busy while a build uses it."""

    def surplus(self) -> list[Slug]:
        """The slugs that the next clean-up deletes."""

    async def collect(self) -> list[Slug]:
        """Clean up now; the slugs that were deleted."""

    def export(self, app: App, slug: Slug) -> AsyncGenerator[bytes, None]:
        """A slug as a tar archive. Raises Conflict for files that are gone, Busy, and Unavailable in the middle too."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of an app whose stack changed: the release it got; `trouble` says why it stays where it was."""

    app: str
    release: int
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class StackOutcome:
    """What a change of a stack came to: the version that is current now, and the apps that it concerned."""

    ref: str
    moved: tuple[Moved, ...] = ()


class Stacks(Protocol):
    """What apps are built for and run on, as the API sees it."""

    def names(self) -> list[str]:
        """The stacks that apps can use, `host` first."""

    def current(self, name: str) -> tuple[str, str]:
        """The current version of a stack, and the system that it is (`debian-12`). Raises NotFound."""

    def packages(self, name: str) -> dict[str, str] | None:
        """What is installed in the current version; None for the host stack. Raises NotFound."""

    def apps_on(self, name: str) -> dict[str, list[App]]:
        """The apps whose current release runs on the stack, by version."""

    async def create(self, name: str, *, user: User, output: Output) -> StackOutcome:
        """Make a stack. Cancelling it leaves nothing."""

    async def update(self, name: str, *, user: User, output: Output, force: bool = False) -> StackOutcome:
        """Make a new version and move every app onto it. Cancelling it leaves nothing, until the version is current."""

    async def switch(self, name: str, version: str | None, *, user: User, output: Output) -> StackOutcome:
        """Make another version current, None for the one before, and move every app onto it."""

    def destroy(self, name: str) -> Sequence[StackVersion]:
        """Delete a stack. Raises Conflict while an app needs it."""
