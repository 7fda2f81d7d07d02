"""Local users for numeric uids: systemd 252 starts no unit with a ``User=`` that NSS does not know."""

import grp
import pwd

from units.run import arun

PREFIX = "hostd-"
_TIMEOUT = 30.0


def user_name(uid: int) -> str:
    """The local name of a uid that the ledger gave out: ``hostd-200001``."""
    return f"{PREFIX}{uid}"


def sysusers_line(uid: int) -> str:
    """The sysusers.d(5) line of a locked account without shell, and of a group with the same number."""
    return f'u {user_name(uid)} {uid} "hostd app" /app -\n'


async def ensure_user(uid: int) -> None:
    """Make sure that uid and gid of this number have a name on this machine; quick when they have.

    Raises CommandFailed when systemd-sysusers refuses.
    """
    if not _known(uid):
        await arun(["systemd-sysusers", "-"], input=sysusers_line(uid).encode(), timeout=_TIMEOUT)


async def remove_user(uid: int) -> None:
    """Take the name away again; the number is never given out twice, so nothing else can own its files."""
    if _known(uid):
        await arun(["userdel", user_name(uid)], timeout=_TIMEOUT)


def _known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
        grp.getgrgid(uid)
    except KeyError:
        return False
    return True
