"""A session of HTTP to addresses that somebody else has named, which lends nobody hostd's way into the inside.

Every connection goes through one place, which judges the address that is about to be connected to: names that lead
elsewhere the second time, redirects and addresses in disguise come no further than there.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import aiohttp

from hostd.reach import Address

Judge = Callable[[Address, int], str | None]
"""Says why no connection may be made to an address and a port; None if it may."""


class Unanswered(Exception):  # noqa: N818 - says what happened
    """There was no answer; why, in words without the address, which may be a secret."""


@asynccontextmanager
async def judged_session(
    judge: Judge,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    decompress: bool = True,
    trust: ssl.SSLContext | None = None,
) -> AsyncGenerator[aiohttp.ClientSession, None]:
    """A session that keeps no cookies and no connections, knows no proxies, and gives up after so many seconds.

    Raises Unanswered for whatever went wrong inside, and lets through what was not HTTP's.
    """
    refused: list[str] = []
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            ssl=trust or True, socket_factory=_judged(judge, refused), use_dns_cache=False, force_close=True
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "hostd", **(headers or {})},
        timeout=aiohttp.ClientTimeout(total=seconds),
        auto_decompress=decompress,
        trust_env=False,
    )
    try:
        async with session:
            yield session
    except TimeoutError as error:
        raise Unanswered(f"it took longer than {seconds:g} seconds") from error
    except aiohttp.ClientSSLError as error:
        raise Unanswered("its server's certificate is not valid, or it does not speak https") from error
    except aiohttp.ClientConnectorError as error:
        raise Unanswered(refused[0] if refused else "its server cannot be reached") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The message of such an error may have the address in it.
        raise Unanswered(f"it cannot be asked ({type(error).__name__})") from error


def _judged(judge: Judge, refused: list[str]) -> Callable[[tuple[Any, Any, int, str, tuple[Any, ...]]], socket.socket]:
    """Makes sockets for addresses that the judge lets pass; why others do not is added to `refused`."""

    def make(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, where = info
        if reason := judge(ip_address(str(where[0]).partition("%")[0]), int(where[1])):
            refused.append(reason)
            raise OSError(reason)
        return socket.socket(family, kind, protocol)

    return make
