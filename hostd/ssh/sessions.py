"""The ssh sessions that users have open: which there are, and ending them.

No list of them is kept anywhere: a session is a process of the user git that runs `hostd-ssh ADDRESS KEY`, and what it
was asked for is in its environment (`SSH_ORIGINAL_COMMAND`, sshd(8)). So none is missed, whenever it began. What came
over https is a session, too: a process of git itself, which has its user and its app in its environment.
"""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hostd.ssh.authorized_keys import FORCED_COMMAND
from hostd.ssh.request import split

OVER_HTTPS = "--stateless-rpc"
"""What git is told when it serves one request, behind the name of the service."""
_SSHD = ("sshd", "sshd-session")
"""What sshd calls the process of a connection, as the kernel shows it."""


@dataclass(frozen=True, slots=True)
class SshSession:
    """One session: the process, the user by their address, the words of the command, and the id of the ssh key."""

    pid: int
    email: str
    words: Sequence[str]
    key: str = ""


class SshSessions:
    """The sessions of all users, as `/proc` has them; `uid` is that of the user git, None where there is none."""

    def __init__(self, uid: int | None, proc: Path = Path("/proc")) -> None:
        self._uid = uid
        self._proc = proc

    @classmethod
    def of_system(cls) -> SshSessions:
        """Those of this machine."""
        try:
            return cls(pwd.getpwnam("git").pw_uid)
        except KeyError:
            return cls(None)

    def of(self, email: str) -> list[SshSession]:
        """The sessions of a user."""
        return [session for session in self._all() if session.email == email]

    def end(self, session: SshSession, *, connection: bool = False) -> None:
        """End a session with what it runs; with `connection`, the connection that it came over too."""
        try:
            process = os.pidfd_open(session.pid)
        except ProcessLookupError:
            return
        try:
            # The number may be another process's by now; as long as it is held by the descriptor it stays who it is.
            if self._session(session.pid) == session:
                parent = self._parent(session.pid)
                signal.pidfd_send_signal(process, signal.SIGTERM)
                if connection and parent is not None:
                    self._hang_up(parent)
        except ProcessLookupError:
            return  # it ended by itself meanwhile
        finally:
            os.close(process)

    def _all(self) -> Iterator[SshSession]:
        for entry in self._proc.iterdir():
            if entry.name.isdigit() and (found := self._session(int(entry.name))):
                yield found

    def _session(self, pid: int) -> SshSession | None:
        folder = self._proc / str(pid)
        try:
            if self._uid is None or folder.stat().st_uid != self._uid:
                return None
            argv = _texts(folder / "cmdline")
            over_https = argv[:1] == ["git"] and OVER_HTTPS in argv
            said = [] if over_https else _behind_program(argv)
            if not over_https and not said:
                return None
            variables = dict(line.partition("=")[::2] for line in _texts(folder / "environ"))
        except (FileNotFoundError, ProcessLookupError):
            return None  # it ended while it was looked at
        if over_https:
            words = (f"git-{argv[argv.index(OVER_HTTPS) - 1]}", variables.get("HOSTD_APP", ""))
            return SshSession(pid, variables.get("HOSTD_USER", ""), words)
        return SshSession(pid, said[0], _words(variables.get("SSH_ORIGINAL_COMMAND", "")), "".join(said[1:]))

    def _parent(self, pid: int) -> int | None:
        """The process of sshd that serves the connection: the parent, if that is git's and called so."""
        # The name in parentheses may hold anything; what comes behind it does not (proc(5)).
        parent = int((self._proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        folder = self._proc / str(parent)
        is_sshd = folder.stat().st_uid == self._uid and (folder / "comm").read_text().strip() in _SSHD
        return parent if is_sshd else None

    def _hang_up(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return


def _behind_program(argv: Sequence[str]) -> Sequence[str]:
    """What the forced command was told: an address, and since there are keys' ids one of those."""
    for number in (3, 2):
        if len(argv) >= number and Path(argv[-number]).name == FORCED_COMMAND:
            return argv[1 - number :]
    return []


def _texts(file: Path) -> list[str]:
    return [text.decode(errors="replace") for text in file.read_bytes().split(b"\0") if text]


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(str(word) for word in split(command))
    except ValueError:
        return ()
