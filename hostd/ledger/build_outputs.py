"""Build outputs: the transcript of each build, its beginning and its end."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from hostd.ledger.database import Database


@dataclass(frozen=True, slots=True)
class BuildOutput:
    """What a build printed; `cut` is the number of bytes that were left out between `head` and `tail`."""

    head: bytes
    tail: bytes = b""
    cut: int = 0

    @property
    def text(self) -> bytes:
        """All of it, with a line that says what is left out."""
        if not self.cut:
            return self.head + self.tail
        return self.head + f"\n[{self.cut} bytes are left out here]\n".encode() + self.tail


class BuildOutputs:
    """The table of build outputs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, build_id: str, output: BuildOutput) -> None:
        """Keep what a build has printed so far, in place of what was kept before."""
        self._database.write(
            "INSERT INTO build_outputs (build_id, head, tail, cut) VALUES (?, ?, ?, ?) ON CONFLICT (build_id) "
            "DO UPDATE SET head = excluded.head, tail = excluded.tail, cut = excluded.cut",
            build_id,
            zlib.compress(output.head),
            zlib.compress(output.tail),
            output.cut,
        )

    def get(self, build_id: str) -> BuildOutput:
        """What a build printed, as far as it is kept; nothing for one of which nothing is."""
        record = self._database.first("SELECT head, tail, cut FROM build_outputs WHERE build_id = ?", build_id)
        if record is None:
            return BuildOutput(b"")
        return BuildOutput(zlib.decompress(record["head"]), zlib.decompress(record["tail"]), record["cut"])

    def prune(self, app_id: str, keep: int) -> int:
        """Delete what the builds of an app printed, but for its newest `keep` builds; how many were deleted."""
        return self._database.write(
            "DELETE FROM build_outputs WHERE build_id IN "
            "(SELECT id FROM builds WHERE app_id = ? ORDER BY sequence DESC LIMIT -1 OFFSET ?)",
            app_id,
            keep,
        )
