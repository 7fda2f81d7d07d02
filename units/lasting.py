"""Network namespaces that outlive this process, each found by a name: links to where another process keeps them."""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from units import namespaces
from units.keeping import KeepingError

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 60.0


class Keeper(Protocol):
    """What `units.keeping` does."""

    def keep(self, descriptor: int, /) -> Path:
        """Have a descriptor kept open by another process; returns a path to it."""

    def drop(self, path: Path, /) -> None:
        """Have it closed."""

    def only(self, paths: Collection[Path], /) -> None:
        """Have everything closed but what is behind these paths."""

    async def ended(self) -> None:
        """Wait until the process that keeps has ended."""


class Lasting:
    """A folder of links. A name's path stays the same whoever keeps what it leads to.

    Where nobody keeps, a link leads to this process; then nothing outlives it.
    """

    def __init__(self, folder: Path, keeper: Keeper) -> None:
        self._folder = folder
        self._keeper = keeper
        self._kept: dict[str, tuple[int, Path | None]] = {}
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Hand everything to the next keeper from now on, whenever one has ended."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Do so no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def path(self, name: str) -> Path:
        """Where the namespace of a name is."""
        return self._folder / name

    def add(self, name: str, descriptor: int) -> None:
        """Have a namespace kept that this process holds, under a name. Raises OSError."""
        kept = None
        try:
            kept = self._keeper.keep(descriptor)
        except KeepingError as error:
            log.error("systemd cannot restart %s while hostd is down: %s", name, error)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        draft = self._folder / f".{name}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(kept or namespaces.path(descriptor))
        draft.rename(self.path(name))
        self._kept[name] = descriptor, kept

    def remove(self, name: str, descriptor: int) -> Path | None:
        """Take a link away, if it still is this namespace's; returns what is to be dropped then."""
        held, kept = self._kept.get(name, (None, None))
        if held != descriptor:
            return None
        del self._kept[name]
        self.path(name).unlink(missing_ok=True)
        return kept

    async def drop(self, kept: Path) -> None:
        """Have it kept no longer. Raises KeepingError."""
        await asyncio.to_thread(self._keeper.drop, kept)

    def found(self, name: str, pid: int) -> list[Path]:
        """Where the namespace may be that an earlier process made: as it is kept, or as that of a process in it."""
        return [self.path(name), *([Path(f"/proc/{pid}/ns/net")] if pid else [])]

    def sweep(self) -> None:
        """Have nothing kept but what was added."""
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name not in self._kept:
                path.unlink(missing_ok=True)
        with suppress(KeepingError):
            self._keeper.only([kept for _, kept in self._kept.values() if kept is not None])

    async def _watch(self) -> None:
        while True:
            try:
                await self._keeper.ended()
                log.warning("hostd-networks.service has ended: dynos' networks are handed to the next")
            except (KeepingError, OSError) as error:
                log.error("%s", error)
                await asyncio.sleep(_AGAIN_SECONDS)
            for name, (descriptor, _) in self._kept.items():
                self.add(name, descriptor)
