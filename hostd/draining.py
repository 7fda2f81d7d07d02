"""Drains, as the control plane sees them: it tells the logplex which there are, and asks it how they are."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from hostd.errors import Invalid, Unavailable
from hostd.ledger import Ledger
from hostd.logplex.drains.choices import choice
from hostd.logplex.drains.destinations import Destination
from hostd.logplex.drains.dialing import Judge, Network
from hostd.logplex.drains.document import GROUP, Document, Wanted, write
from hostd.settings import Settings

SECONDS = 5.0
"""For the logplex to answer."""

_log = logging.getLogger(__name__)


class Draining:
    """Tells the logplex of drains. `group` may read what it is told by; None in tests."""

    def __init__(self, ledger: Ledger, settings: Settings, *, group: str | None = GROUP) -> None:
        self._ledger = ledger
        self._settings = settings
        self._group = group

    @property
    def file(self) -> Path:
        """What the logplex reads."""
        return self._settings.run_dir / "logplex" / "drains.json"

    def write(self) -> None:
        """Write down which drains there are. Raises Unavailable."""
        try:
            write(document_of(self._ledger, self._settings), self.file, self._group)
        except (OSError, KeyError) as error:
            raise Unavailable(
                f"The logplex cannot be told of drains: {self.file} cannot be written ({error}). "
                "hostd tells it when it starts again."
            ) from error

    def refuse(self, where: Destination) -> None:
        """Raises Invalid if nothing would ever be sent there, as its address is this server's or an internal one."""
        if refused := Judge(networks_of(self._settings)).refused(where):
            raise Invalid(f"{refused}.")

    async def tell(self) -> Mapping[str, Any]:
        """Have the logplex do what the ledger says; as `statuses`. Raises Unavailable.

        A logplex that is not there does so when it comes.
        """
        self.write()
        return await self.statuses()

    async def renew(self) -> None:
        """As `tell`, where nobody can be told that it failed: it is logged."""
        try:
            await self.tell()
        except Unavailable as error:
            _log.error("%s", error.message)

    async def statuses(self) -> Mapping[str, Any]:
        """How it stands with each drain, by its id; empty if the logplex does not say."""
        path = self._settings.run_dir / "drains.sock"
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    found: dict[str, Any] = json.loads(await reader.read())
                finally:
                    writer.close()
        except (OSError, ValueError, TimeoutError) as error:
            _log.warning("the logplex does not say how it stands with drains: %s", error or type(error).__name__)
            return {}
        return found


def document_of(ledger: Ledger, settings: Settings) -> Document:
    """What the logplex has to know."""
    drains = tuple(
        Wanted(each.id, each.app_id, each.url, each.token, choice(each.filters), each.created_at.timestamp())
        for each in ledger.drains.all()
    )
    return Document(drains, networks_of(settings), settings.drain_patience, str(settings.drain_dir))


def networks_of(settings: Settings) -> tuple[Network, ...]:
    """The networks that drains may lead to, besides the Internet."""
    return tuple(map(ip_network, filter(None, settings.drain_networks.replace(" ", "").split(","))))
