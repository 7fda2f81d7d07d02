"""Fetching what an app's owner names, a web page above all, from where anybody could fetch it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Protocol

import aiohttp
from yarl import URL

from hostd.judged_session import Unanswered, judged_session
from hostd.reach import Address, is_own, is_public

MOST_BYTES = 256 * 1024
SECONDS = 10.0
"""For everything: names, connections, redirects and the page."""
MOST_REDIRECTS = 3
WEB_PORTS = (80, 443)
HTML = ("text/html", "application/xhtml+xml")
_CHARSETS = frozenset(
    ("utf_8", "utf_16", "utf_16_le", "utf_16_be", "ascii", "latin_1", "koi8_r", "shift_jis", "euc_jp", "euc_kr",
     "big5", "gb2312", "gbk", "gb18030", *(f"iso8859_{part}" for part in range(2, 17)),
     *(f"cp125{page}" for page in range(9)))
)  # fmt: skip
"""The encodings that pages have, by Python's names. Others that it knows take seconds for a page, as punycode does."""


class Unfetchable(Exception):  # noqa: N818 - says what happened
    """The page could not be had; why, in words without the address, which is a config var's value."""


class Fetch(Protocol):
    """Fetches what is of certain kinds."""

    async def __call__(self, address: str, *kinds: str) -> bytes:
        """What is at an address, if it is of one of these kinds. Raises Unfetchable."""


class PageFetcher:
    """Fetches pages. `router_ports` are those of this server that anybody may reach."""

    def __init__(
        self, router_ports: Collection[int], *, seconds: float = SECONDS, own: Callable[[Address], bool] | None = None
    ) -> None:
        self._router_ports = frozenset(router_ports)
        self._seconds = seconds
        self._own = own or is_own

    async def fetch(self, address: str) -> bytes:
        """The page as HTML in UTF-8. Raises Unfetchable."""
        return _in_utf8(*await self._fetched(address, HTML))

    async def fetch_as(self, address: str, *kinds: str) -> bytes:
        """What is there, if it is of one of these kinds. Raises Unfetchable."""
        body, _ = await self._fetched(address, kinds)
        return body

    async def _fetched(self, address: str, kinds: Sequence[str]) -> tuple[bytes, str | None]:
        headers = {"Accept": ", ".join(kinds), "Accept-Encoding": "identity"}
        try:
            async with judged_session(self.judge, seconds=self._seconds, headers=headers, decompress=False) as session:
                url = URL(address)
                if url.scheme not in ("http", "https") or not url.host:
                    raise Unfetchable("it is no address of the web: write http://... or https://...")
                try:
                    return await self._body(session, url, kinds)
                except aiohttp.TooManyRedirects as error:
                    raise Unfetchable(f"it was redirected more than {MOST_REDIRECTS} times") from error
        except Unanswered as error:
            raise Unfetchable(str(error)) from error

    def judge(self, address: Address, port: int) -> str | None:
        """Why no connection may be made there; None if it may. What anybody can reach, hostd may fetch for somebody."""
        if self._own(address):
            return None if port in self._router_ports else "it is on this server, at a port that is not the router's"
        if port not in WEB_PORTS:
            return f"its port is {port}: only {' and '.join(map(str, WEB_PORTS))} are asked"
        return None if is_public(address) else "it is at an internal address"

    async def _body(
        self, session: aiohttp.ClientSession, url: URL, kinds: Sequence[str]
    ) -> tuple[bytes, str | None]:
        """What is there, and in which encoding if it is text."""
        async with session.get(url, max_redirects=MOST_REDIRECTS) as answer:
            if answer.status != 200:
                raise Unfetchable(f"its server answers with status {answer.status}")
            if answer.content_type not in kinds or answer.headers.get("Content-Encoding", "identity") != "identity":
                wanted = "plain HTML" if kinds is HTML else kinds[0]
                raise Unfetchable(f"it is no {wanted} but {answer.content_type[:60]}")
            page = bytearray()
            async for piece in answer.content.iter_any():
                page += piece
                if len(page) > MOST_BYTES:
                    raise Unfetchable(f"it is longer than {MOST_BYTES >> 10} KiB")
            return bytes(page), answer.charset


def _in_utf8(page: bytes, charset: str | None) -> bytes:
    charset = charset or "UTF-8"
    # Not looked up among Python's codecs, which remember every name that somebody comes up with.
    known = normalize_encoding(charset.lower())
    if (known := aliases.get(known, known)) not in _CHARSETS:
        raise Unfetchable(f"its encoding, {charset[:40]!a}, is none that pages have: make it UTF-8")
    try:
        return page.decode(known).encode()
    except UnicodeError as error:
        raise Unfetchable(f"it is not text in {charset[:40]}") from error
