"""The journald of one namespace: its limits as text, its units by name, and what it is asked to do.

Each namespace has a process of its own, which its sockets start and which ends by itself when nothing writes to it
(systemd-journald.service(8), Journal Namespaces; journald.conf(5)).
"""

import asyncio
import json
import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from units.journal import JournalUnavailable

SYNCHRONIZED_SECONDS = 15.0
"""How long journald may take to write down what it was sent."""
_SIGNATURE = b"LPKSHHRH"
_HEADER = struct.Struct("<8s144xQ24xQQ")
"""Of a journal's file: signature, entries, times of the first and the last (systemd.io/JOURNAL_FILE_FORMAT)."""
_FEWEST_FILES, _MOST_FILES = 8, 128
_FILE_MB = 8
"""What journald allots at once. The oldest file goes as a whole: so a log that gets a smaller limit keeps its end."""
_DAY = 86400
_ETC = Path("/etc/systemd")
_RUN = Path("/run/systemd")

_CONFIG = """\
# {why}
[Journal]
Storage=persistent
# By default every uid gets files of its own, and every app has a uid.
SplitMode=none
# What a dyno may write is limited in its unit; nothing else is to be dropped.
RateLimitIntervalSec=0
RateLimitBurst=0
SystemMaxUse={size}M
SystemKeepFree=1G
SystemMaxFileSize={file}M
SystemMaxFiles={files}
# By default texts of 512 bytes are compressed already, which takes as long as all else that is done with a line.
Compress=2048
ForwardToSyslog=no
ForwardToKMsg=no
ForwardToConsole=no
ForwardToWall=no
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a journal keeps: MiB on disk, and days after which lines are deleted (0: when the room is needed)."""

    size_mb: int
    retention_days: int = 0


def config_text(limits: Limits, why: str) -> str:
    """The file that gives a namespace its limits; `why` is one line on whose it is, for those who find it.

    With a retention lines are kept for all of these days, as far as the size goes, and deleted a day later at the
    latest: whole files are deleted, by the age of their first line, so each holds no more than a day. journald then
    never ends by itself, since it has to watch the time.
    """
    file = max(1, min(limits.size_mb // _FEWEST_FILES, _FILE_MB), limits.size_mb // _MOST_FILES)
    text = _CONFIG.format(why=why, size=limits.size_mb, file=file, files=2 * _MOST_FILES)
    if not limits.retention_days:
        return text
    return f"{text}MaxFileSec={_DAY}\nMaxRetentionSec={(limits.retention_days + 1) * _DAY}\n"


def config_path(namespace: str, etc: Path = _ETC) -> Path:
    """Where journald looks for the limits of a namespace."""
    return etc / f"journald@{namespace}.conf"


def service(namespace: str) -> str:
    """The unit of a namespace's journald."""
    return f"systemd-journald@{namespace}.service"


def sockets(namespace: str) -> tuple[str, str]:
    """The units of a namespace's sockets: for lines, and for questions."""
    return f"systemd-journald@{namespace}.socket", f"systemd-journald-varlink@{namespace}.socket"


async def synchronize(namespace: str, timeout: float = SYNCHRONIZED_SECONDS, run: Path = _RUN) -> None:
    """Return when all that was sent to a namespace before this call can be read in its journal.

    Does not block the loop. Raises JournalUnavailable when its journald is not there or needs longer than `timeout`
    seconds.
    """
    await _ask(namespace, "io.systemd.Journal.Synchronize", timeout, run)


async def rotate(namespace: str, timeout: float = SYNCHRONIZED_SECONDS, run: Path = _RUN) -> None:
    """Have journald begin new files, and delete old ones beyond its limits. Raises JournalUnavailable."""
    await _ask(namespace, "io.systemd.Journal.Rotate", timeout, run)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal holds: bytes on disk, entries, and when the first and the last came (unix microseconds, or 0)."""

    size: int = 0
    entries: int = 0
    oldest_us: int = 0
    newest_us: int = 0


def contents(directory: Path) -> Contents:
    """What the journal in a directory holds, by what its files say of themselves; nothing if there is none.

    Raises OSError when they cannot be read.
    """
    total = Contents()
    for path in directory.glob("*.journal*"):
        try:
            with path.open("rb") as file:
                size, header = os.fstat(file.fileno()).st_blocks * 512, file.read(_HEADER.size)
        except FileNotFoundError:
            # journald deletes old files while others look.
            continue
        signature, entries, oldest, newest = _HEADER.unpack(header.ljust(_HEADER.size, b"\0"))
        total = replace(total, size=total.size + size)
        if signature == _SIGNATURE and entries:
            total = Contents(
                total.size,
                total.entries + entries,
                min(oldest, total.oldest_us or oldest),
                max(newest, total.newest_us),
            )
    return total


async def _ask(namespace: str, method: str, timeout: float, run: Path) -> None:
    """One call of journald's varlink interface (varlink.org): a JSON text and a zero byte, each way."""
    path = run / f"journal.{namespace}" / "io.systemd.journal"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(json.dumps({"method": method, "parameters": {}}).encode() + b"\0")
                answer = json.loads((await reader.readuntil(b"\0"))[:-1])
            finally:
                writer.close()
    except TimeoutError as error:
        raise JournalUnavailable(f"the journal {namespace} did not answer within {timeout:g} s") from error
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise JournalUnavailable(f"the journal {namespace} cannot be asked: {error}") from error
    if failure := answer.get("error"):
        raise JournalUnavailable(f"the journal {namespace} refused {method}: {failure}")
