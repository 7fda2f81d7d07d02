"""One connection of ssh to a server: commands over it, and ports of this machine that lead to ports of its loopback."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hostd.cli.call import Call
from hostd.cli.command import Refused, Usage

SSH = "HOSTD_SSH"
USER = "git"
QUICK_SECONDS = 30.0
"""What a command over a connection that is open may take."""
_SERVER = re.compile(r"(?:[a-z_][a-z0-9_-]*@)?([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9a-fA-F:]+\])(?::([0-9]{1,5}))?")
_REMOTE = re.compile(r"(?:ssh://)?git@([A-Za-z0-9][A-Za-z0-9._-]*)(?::([0-9]{1,5})/|:|/)")


@dataclass(frozen=True, slots=True)
class Server:
    """Where ssh goes; without a port to the one that ~/.ssh/config says, or 22."""

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Server:
        """From `HOST`, `HOST:PORT` or `git@HOST:PORT`. Raises Usage."""
        found = _SERVER.fullmatch(text.strip().removeprefix("ssh://"))
        if found is None:
            raise Usage(f"{text[:60]!r} is no server: write HOST or HOST:PORT.")
        return cls(found[1].strip("[]"), int(found[2]) if found[2] else None)

    @property
    def words(self) -> list[str]:
        """For ssh's command line."""
        return [*(["-p", str(self.port)] if self.port else []), f"{USER}@{self.host}"]


def server_of(call: Call, named: str | None) -> Server | None:
    """The server that is meant; None for this machine. Raises Refused, Usage."""
    from hostd.cli.client import run_dir
    from hostd.cli.remote import is_loopback
    from hostd.cli.servers import NOWHERE, Servers
    from hostd.places import API_SOCKET

    if text := named or call.around.env.get(SSH):
        return Server.parse(text)
    if call.around.env.get("HOSTD_RUN_DIR") or os.access(run_dir(call.around.env) / API_SOCKET, os.W_OK):
        return None
    servers = Servers(call.around.env)
    address = servers.named or servers.last
    if address is not None and not is_loopback(address.name):
        doors = call.client.get("/hostd/doors")
        return Server(address.name.removeprefix("api."), doors["ssh_port"])
    if (found := _remote()) is not None:
        return found
    raise Refused(f"{NOWHERE}\nOr say which server: hostctl heroku --server HOST:PORT -- ARGS")


def in_address(address: str) -> Server | None:
    """The server of a git address; None for one that is not by ssh."""
    found = _REMOTE.match(address)
    return Server(found[1], int(found[2]) if found[2] else None) if found else None


class Tunnel:
    """A connection that is open."""

    def __init__(self, server: Server, control: Path) -> None:
        self._server = server
        self._control = control

    def ask(self, *words: str) -> str:
        """What a hostctl command prints there. Raises Refused with what it said instead."""
        done = self._ssh([], list(words))
        if done.returncode:
            raise Refused(done.stderr.strip().removeprefix("!").strip() or f"{words[0]} failed on {self._server.host}.")
        return done.stdout

    def forward(self, port: int) -> int:
        """A port of this machine that leads to a port of the server's own; 0 for none. Raises Refused."""
        if not port:
            return 0
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            ours: int = trial.getsockname()[1]
        done = self._ssh(["-O", "forward", "-L", f"127.0.0.1:{ours}:127.0.0.1:{port}"], [])
        if done.returncode:
            raise Refused(f"ssh could not forward a port: {done.stderr.strip()}")
        return ours

    def close(self) -> None:
        """End the connection."""
        self._ssh(["-O", "exit"], [])

    def _ssh(self, options: list[str], words: list[str]) -> subprocess.CompletedProcess[str]:
        argv = ["ssh", "-T", "-S", str(self._control), *options, *self._server.words, *words]
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=QUICK_SECONDS
        )


@contextlib.contextmanager
def opened(server: Server, folder: Path) -> Iterator[Tunnel]:
    """A connection, for which ssh may ask at our terminal; its socket lies in a folder of ours."""
    control = folder / "ssh"
    options = ["-M", "-S", str(control), "-f", "-N", "-T", "-o", "ControlPersist=no", "-o", "ServerAliveInterval=15"]
    try:
        begun = subprocess.run(["ssh", *options, *server.words], check=False)
    except FileNotFoundError:
        raise Refused("ssh is not in PATH: install OpenSSH's client.") from None
    if begun.returncode:
        raise Refused(f"ssh did not get to {server.host}. Try: ssh {' '.join(server.words)} whoami")
    tunnel = Tunnel(server, control)
    try:
        yield tunnel
    finally:
        tunnel.close()


def _remote() -> Server | None:
    from hostd.cli.checkout import addresses

    found = {server for address in addresses() if (server := in_address(address)) is not None}
    if len(found) > 1:
        names = ", ".join(sorted(server.host for server in found))
        raise Usage(f"The git remotes here lead to several servers ({names}): say which with --server.")
    return found.pop() if found else None
