"""Store: the route table on disk, so that a worker starts and serves without hostd."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path

from router.table import Table

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def this_boot() -> str:
    """The name of the time since the machine booted, as systemd has it (`%b`) or else the kernel (random(4)).

    In a container that starts anew the kernel is the same, and behind ProtectProc= its file says so.
    """
    told = os.environ.get("BOOT_ID")
    return str(uuid.UUID(told)) if told else BOOT_ID.read_text().strip()


def load(path: Path) -> Table | None:
    """The saved table, or None if there is none yet. Raises TableError or OSError when it cannot be read."""
    try:
        return Table.parse(path.read_bytes())
    except FileNotFoundError:
        return None


def save(path: Path, table: Table, group: int | None = None) -> bytes:
    """Replace the file in one step that survives a power cut: a reader sees the old table or the new one.

    It is for its owner and a group, as there are keys in it; None leaves it to the owner's. Returns what it holds now.
    """
    handle, name = tempfile.mkstemp(prefix=_draft(path), dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            document = table.to_json().encode()
            file.write(document)
            file.flush()
            if group is not None:
                os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), 0o640)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return document


def tidy(path: Path) -> None:
    """Take away what is left of a save that was killed. Only for who saves, and before it does."""
    for draft in path.parent.glob(f"{_draft(path)}*"):
        draft.unlink(missing_ok=True)


def _draft(path: Path) -> str:
    return f".{path.name}."
