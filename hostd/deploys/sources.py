"""Uploaded sources: what somebody sends now and builds a moment later. Nothing here looks into them."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hostd.errors import Invalid, NotFound, Unavailable
from hostd.ledger.apps import App
from hostd.ledger.users import User

LIFETIME = 3600.0
"""Seconds for which a place can be uploaded to, and an upload be built."""
LARGEST = 2 << 30
"""Bytes of an upload, as of a push."""
KEPT_FREE = 512 << 20
"""Bytes that uploads leave free on their disk: the ledger is on it too."""
PLACES = 4
"""Uploads that are kept for an app, and for a user; the oldest gives way."""

_PIECE = 1 << 20


@dataclass(slots=True)
class _Place:
    owner_id: str
    made: float
    checksum: str | None = None


class Sources:
    """A directory of uploads. It is emptied when hostd starts: an upload lives for an hour, not for ever."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._places: dict[str, _Place] = {}
        shutil.rmtree(directory, ignore_errors=True)

    def create(self, owner: App | User) -> str:
        """A place for the source of a build of the app, or of any that the user begins; its id is hard to guess."""
        self._sweep(owner.id)
        source_id = str(uuid.uuid4())
        self._places[source_id] = _Place(owner.id, self._clock())
        return source_id

    async def receive(self, source_id: str, pieces: AsyncIterator[bytes]) -> None:
        """Take an upload in, whole or not at all, in place of an earlier one.

        Raises NotFound for no such place, Invalid for too much, Unavailable when the disk is nearly full.
        """
        place = self._place(source_id)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._directory / f"{uuid.uuid4()}.part"
        try:
            with draft.open("xb") as file:
                checksum = await self._write(file, pieces)
            self._place(source_id)
            draft.replace(self._directory / source_id)
            place.checksum = checksum
        finally:
            draft.unlink(missing_ok=True)

    def open(
        self, app: App | None, source_id: str, checksum: str | None, user: User | None = None
    ) -> AsyncIterator[bytes]:
        """What was uploaded for the app, or by the user for any; `checksum` is `SHA256:` and 64 digits.

        Raises NotFound for no such upload, Invalid if its checksum is another.
        """
        place = self._place(source_id)
        if place.checksum is None or place.owner_id not in {owner.id for owner in (app, user) if owner is not None}:
            whom = app.name if app is not None else "a setup"
            raise NotFound(f"Nothing was uploaded to this address for {whom}: PUT the tarball to its put_url first.")
        if checksum is not None and checksum.lower() not in (place.checksum, f"sha256:{place.checksum}"):
            raise Invalid(f"The upload has the checksum SHA256:{place.checksum}, not {checksum[:80]}. Upload it again.")
        return read((self._directory / source_id).open("rb"))

    def is_there(self, source_id: str) -> bool | None:
        """Whether something was uploaded to this place; None if there is no such place, or not any more."""
        place = self._places.get(source_id)
        if place is None or self._clock() - place.made > LIFETIME:
            return None
        return place.checksum is not None

    def discard(self, source_id: str) -> None:
        """Forget a place with what was uploaded to it."""
        self._places.pop(source_id, None)
        (self._directory / source_id).unlink(missing_ok=True)

    async def _write(self, file: BinaryIO, pieces: AsyncIterator[bytes]) -> str:
        digest, size = hashlib.sha256(), 0
        room = min(LARGEST, shutil.disk_usage(self._directory).free - KEPT_FREE)
        async for piece in pieces:
            size += len(piece)
            if size > LARGEST:
                raise Invalid(f"The upload is larger than {LARGEST >> 20} MiB.")
            if size > room:
                raise Unavailable("The server's disk is nearly full. Running apps are not affected. Ask the operator.")
            digest.update(piece)
            await asyncio.to_thread(file.write, piece)
        return digest.hexdigest()

    def _place(self, source_id: str) -> _Place:
        place = self._places.get(source_id)
        if place is None or self._clock() - place.made > LIFETIME:
            raise NotFound("There is no such source, or it is older than an hour: POST to sources again.")
        return place

    def _sweep(self, owner_id: str) -> None:
        """Forget what is too old, and an owner's oldest beyond PLACES less the one that is to come."""
        now = self._clock()
        own = [source_id for source_id, place in self._places.items() if place.owner_id == owner_id]
        old = [source_id for source_id, place in self._places.items() if now - place.made > LIFETIME]
        for source_id in {*old, *own[: max(0, len(own) - PLACES + 1)]}:
            del self._places[source_id]
            (self._directory / source_id).unlink(missing_ok=True)


async def read(file: BinaryIO) -> AsyncIterator[bytes]:
    """A file in pieces, closed at its end."""
    with file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
