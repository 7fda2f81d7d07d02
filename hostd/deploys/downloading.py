"""Downloads of sources by hostd itself: over https, bounded, and from nowhere that only this server can reach.

What comes is stored and not looked into: a build's sandbox unpacks it, as it does what is uploaded.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import aiohttp
from yarl import URL

from hostd.deploys.sources import KEPT_FREE, read
from hostd.errors import Conflict, Invalid, Unavailable
from hostd.judged_session import Unanswered, judged_session
from hostd.reach import Address, is_own, is_public
from hostd.settings import Settings
from hostd.settings_rules import networks

SECONDS = 300.0
"""For everything: names, connections, redirects and the archive."""
LARGEST = 1 << 30
MOST_REDIRECTS = 5
_PIECE = 1 << 18
_REDIRECTS = (301, 302, 303, 307, 308)

Network = IPv4Network | IPv6Network


class Downloads:
    """Downloads into a directory. `router_ports` are those of this server that anybody may reach, `internal` the
    networks that are not the Internet's and may be reached nevertheless."""

    def __init__(
        self,
        directory: Path,
        router_ports: Collection[int],
        internal: Sequence[Network] = (),
        *,
        largest: int = LARGEST,
        own: Callable[[Address], bool] = is_own,
        trust: Callable[[], ssl.SSLContext] = ssl.create_default_context,
    ) -> None:
        self._directory = directory
        self._router_ports = frozenset(router_ports)
        self._internal = tuple(internal)
        self._largest = largest
        self._own = own
        self._trust = trust

    @classmethod
    def of(cls, settings: Settings) -> Downloads:
        """Those of this installation, beside what is uploaded: it is emptied when hostd starts."""
        ports = (settings.http_port, settings.https_port)
        return cls(settings.uploads_dir, ports, networks(settings.source_networks))

    @asynccontextmanager
    async def fetched(self, url: str, checksum: str | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """What is at an https address, as a stream; the file is gone afterwards.

        Raises Conflict if it cannot be had, Invalid if it is not what the checksum (64 digits) says.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._directory / f"{uuid.uuid4()}.download"
        try:
            try:
                digest = await self._download(url, file)
            except Unanswered as error:
                raise Conflict(f"The source cannot be downloaded: {error}.") from error
            if checksum is not None and checksum.lower().removeprefix("sha256:") != digest:
                raise Invalid(f"The source has the checksum SHA256:{digest}, and that is not the one that was given.")
            yield read(file.open("rb"))
        finally:
            file.unlink(missing_ok=True)

    def judge(self, address: Address, port: int) -> str | None:
        """Why no connection may be made there; None if it may."""
        if any(address in network for network in self._internal):
            return None
        if self._own(address):
            return None if port in self._router_ports else "it is on this server, at a port that is not the router's"
        return None if is_public(address) else "it is at an internal address (see source_networks)"

    async def _download(self, address: str, file: Path) -> str:
        headers = {"Accept-Encoding": "identity"}
        # Made anew: an authority that the operator has added counts at once.
        trust = await asyncio.to_thread(self._trust)
        async with judged_session(
            self.judge, seconds=SECONDS, headers=headers, decompress=False, trust=trust
        ) as session:
            url = URL(address)
            for _ in range(MOST_REDIRECTS + 1):
                if url.scheme != "https":
                    raise Conflict("The source cannot be downloaded: it is redirected to an address without https.")
                # Not followed by itself: each address is to be https, and credentials are for the first one only.
                async with session.get(url, allow_redirects=False) as answer:
                    if answer.status not in _REDIRECTS:
                        return await self._store(answer, file)
                    url = url.with_user(None).join(URL(answer.headers.get("Location", "")))
        raise Conflict(f"The source cannot be downloaded: it is redirected more than {MOST_REDIRECTS} times.")

    async def _store(self, answer: aiohttp.ClientResponse, file: Path) -> str:
        """Write it to a file; its sha256."""
        if answer.status != 200:
            raise Conflict(f"The source cannot be downloaded: its server answers with status {answer.status}.")
        digest, size = hashlib.sha256(), 0
        with file.open("xb") as target:
            async for piece in answer.content.iter_chunked(_PIECE):
                size += len(piece)
                if size > self._largest:
                    raise Conflict(f"The source cannot be downloaded: it is larger than {self._largest >> 20} MiB.")
                # Looked at each time: others download too.
                if shutil.disk_usage(self._directory).free < KEPT_FREE + len(piece):
                    raise Unavailable("The server's disk is nearly full. Ask the operator.")
                digest.update(piece)
                await asyncio.to_thread(target.write, piece)
        return digest.hexdigest()
