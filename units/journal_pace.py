"""How fast a unit wrote to a journal, told from the numbers that journald gives entries: nothing is counted."""

import re

from units.journal import Reader

LOG_RATE_SECONDS = 10
"""Lines of a unit are counted over so long (LogRateLimitIntervalSec=): it may write those of all of it at once."""

_NUMBER = re.compile(r"s=(?P<numbering>[0-9a-f]+);i=(?P<number>[0-9a-f]+);")


def wrote_much(namespace: str, unit: str, lines: int, seconds: float) -> bool:
    """Whether a unit may have written so many lines in the time before its last one. Blocking, for milliseconds.

    What others wrote to the journal counts too, so True means perhaps; False is certain. Raises OSError.
    """
    reader = Reader(namespace, matches={"_SYSTEMD_UNIT": unit})
    try:
        newest = reader.last(1)
    finally:
        reader.close()
    if not newest:
        return False
    reader = Reader(namespace)
    try:
        reader.seek_realtime(newest[0].realtime_us - round(seconds * 1e6))
        oldest = reader.read(1)
    finally:
        reader.close()
    if not oldest:
        return False
    first, last = _NUMBER.match(oldest[0].cursor), _NUMBER.match(newest[0].cursor)
    if first is None or last is None or first["numbering"] != last["numbering"]:
        return True
    return int(last["number"], 16) - int(first["number"], 16) + 1 >= lines
