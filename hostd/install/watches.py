"""How many files may be watched (inotify(7)): the kernel counts what dynos watch as root's, so a number is no bound."""

from collections.abc import Sequence
from pathlib import Path

_LIMITS = tuple(Path("/proc/sys/fs/inotify", name) for name in ("max_user_instances", "max_user_watches"))
_MOST = 2**31 - 1

SHORT = (
    "Attention: fs.inotify.max_user_instances cannot be raised here, as in a container, so a dyno can leave "
    "no file watches to root's programs. Raise it where the kernel is yours, as /etc/sysctl.d/60-hostd.conf says"
)


def leave_to_memory(limits: Sequence[Path] = _LIMITS) -> bool:
    """Raise the limits, now; a file for sysctl.d(5) does after a boot. False if this kernel is not ours to change.

    A watch is memory that is charged to the dyno's, which bounds it then.
    """
    try:
        for limit in limits:
            if int(limit.read_text()) < _MOST:
                limit.write_text(f"{_MOST}\n")
    except OSError:
        return False
    return True
