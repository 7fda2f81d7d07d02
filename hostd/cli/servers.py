"""Which server is meant, where hostd is on another machine: HOSTD_HOST, else the one that was logged in to last.

The secret is in ~/.netrc, where git and curl find it too; ~/.config/hostd/server holds the address.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hostd.cli import netrc
from hostd.cli.command import Refused, Usage
from hostd.cli.remote import Address, Remote

HOST, TOKEN = "HOSTD_HOST", "HOSTD_TOKEN"
NOWHERE = (
    "hostd is not on this machine, and you are logged in to no server. Log in: hostctl login. "
    "Without logging in, with your ssh key: ssh git@HOST COMMAND"
)


class Servers:
    """What a user's home directory and environment say of servers."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.home = Path(env["HOME"]) if env.get("HOME") else Path.home()
        self.netrc = netrc.path_of(self.home)
        config = env.get("XDG_CONFIG_HOME") or ""
        # A relative one is to be ignored (XDG Base Directory Specification).
        self._file = (Path(config) if Path(config).is_absolute() else self.home / ".config") / "hostd" / "server"

    @property
    def named(self) -> Address | None:
        """The server that HOSTD_HOST names; raises Usage if it names none."""
        text = self.env.get(HOST)
        return Address.parse(text) if text else None

    @property
    def last(self) -> Address | None:
        """The server that was logged in to last, if it was not logged out of."""
        text = netrc.load(self._file).strip()
        try:
            return Address.parse(text) if text else None
        except Usage:
            raise Refused(f"{self._file} holds no address of a server: remove it, then: hostctl login") from None

    def door(self) -> Remote | None:
        """The door of the server that is meant; None if none is. Raises Refused if its token is not known."""
        address = self.named or self.last
        if address is None:
            return None
        token = self.env.get(TOKEN) or self.token(address)
        if not token:
            raise Refused(f"You are not logged in to {address}. Log in: hostctl login {address}")
        return Remote(address, token)

    def token(self, address: Address) -> str | None:
        """The token that ~/.netrc holds for a server."""
        return netrc.password(netrc.load(self.netrc), machines(address)[0])

    def remember(self, address: Address, email: str, token: str) -> None:
        """Keep a login."""
        text = netrc.load(self.netrc)
        for machine in machines(address):
            text = netrc.with_entry(text, machine, email, token)
        netrc.save(self.netrc, text)
        netrc.save(self._file, f"{address}\n")

    def forget(self, address: Address) -> bool:
        """Drop a login; False if there was none."""
        text = kept = netrc.load(self.netrc)
        for machine in machines(address):
            kept = netrc.without_entry(kept, machine)
        if kept != text:
            netrc.save(self.netrc, kept)
        if self.last == address:
            self._file.unlink(missing_ok=True)
        return kept != text


def machines(address: Address) -> list[str]:
    """What a server is called in ~/.netrc: its API, and its git over https, for which the same token is good."""
    names = [address.host]
    if address.scheme == "https" and address.name.startswith("api."):
        # git and curl know machines by their names alone.
        names.append(f"git.{address.name.removeprefix('api.')}")
    return names
