"""Slugs that somebody has built elsewhere: announced, uploaded, and a slug of the app's with their first release.

A draft lives as its upload does, in memory and for an hour: one that nobody releases leaves nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from buildpacks.source import SlugSource
from hostd.code_stores import Sources
from hostd.errors import Invalid, Unavailable
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from slugs.build_unit import Output
from slugs.compiler import CompiledSlug, CompileRequest
from slugs.errors import BuildFailed, SlugsError
from slugs.stacks import Stack

LONGEST_OUTPUT = 4096
"""Bytes of what was said while an upload was unpacked, which are told when that fails."""


@dataclass(frozen=True, slots=True)
class SlugDraft:
    """A slug that is to be uploaded. Its `id` is that of the upload, and later the slug's.

    `stack` is a name; `checksum` is `SHA256:` and 64 digits, of the upload.
    """

    id: str
    app_id: str
    process_types: Mapping[str, str]
    stack: str
    created_at: datetime
    buildpack: str = ""
    checksum: str | None = None
    commit: str = ""
    commit_description: str | None = None

    @property
    def what(self) -> str:
        """What it is called where a release of it is told of."""
        return self.commit[:7] or self.id[:8]


class SlugDrafts:
    """The drafts of all apps. Those whose upload has expired are forgotten when the next one comes."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._drafts: dict[str, SlugDraft] = {}

    def create(  # noqa: PLR0917
        self,
        app: App,
        process_types: Mapping[str, str],
        stack: str,
        buildpack: str = "",
        checksum: str | None = None,
        commit: str = "",
        commit_description: str | None = None,
    ) -> SlugDraft:
        """A draft of a slug of the app, with a place to upload it to."""
        id = self._sources.create(app)
        self._drafts = {key: draft for key, draft in self._drafts.items() if self._sources.is_there(key) is not None}
        draft = SlugDraft(
            id,
            app.id,
            dict(process_types),
            stack,
            datetime.now(UTC),
            buildpack,
            checksum,
            commit,
            commit_description,
        )
        self._drafts[id] = draft
        return draft

    def get(self, app: App, slug_id: str) -> SlugDraft | None:
        """The app's draft of that id; None if there is none, or not any more."""
        draft = self._drafts.get(slug_id)
        if draft is None or draft.app_id != app.id or self._sources.is_there(slug_id) is None:
            return None
        return draft

    def open(self, app: App, draft: SlugDraft) -> AsyncIterator[bytes]:
        """What was uploaded. Raises Invalid if nothing was, or if it has another checksum."""
        if not self._sources.is_there(draft.id):
            raise Invalid(f"Nothing was uploaded for the slug {draft.id} yet: PUT its .tgz to its blob's url first.")
        return self._sources.open(app, draft.id, draft.checksum)

    def discard(self, draft: SlugDraft) -> None:
        """Forget a draft with its upload: it is a slug now."""
        self._drafts.pop(draft.id, None)
        self._sources.discard(draft.id)


class Compiler(Protocol):
    """What is needed of `slugs.compiler.Compiler`."""

    async def compile(
        self, request: CompileRequest, *, source: AsyncIterator[bytes] | None, output: Output
    ) -> CompiledSlug:
        """Make a slug, or nothing."""


async def take_in(  # noqa: PLR0917
    compiler: Compiler, ledger: Ledger, app: App, draft: SlugDraft, stack: Stack, tree: AsyncIterator[bytes]
) -> CompiledSlug:
    """Make what was uploaded a slug in the pool, unpacked in a build's sandbox.

    Raises Invalid for what cannot be one, Unavailable when there is no room.
    """
    said = bytearray()

    async def hear(piece: bytes) -> None:
        said.extend(piece[: LONGEST_OUTPUT - len(said)])

    request = CompileRequest(
        build_id=draft.id,
        app_id=app.id,
        app_name=app.name,
        uid=app.uid,
        commit=draft.commit,
        stack=stack,
        config={},
        previous_slug=ledger.releases.current(app.id).slug_id,
        source=SlugSource(draft.process_types),
    )
    try:
        return await compiler.compile(request, source=tree, output=hear)
    except BuildFailed as error:
        lines = said.decode(errors="replace").strip()
        raise Invalid(f"{error}." + (f"\n{lines}" if lines else "")) from error
    except SlugsError as error:
        raise Unavailable(str(error)) from error
