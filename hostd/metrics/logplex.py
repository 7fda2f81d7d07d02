"""Asks the logplex what it has said of itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import aiohttp

log = logging.getLogger(__name__)

_SECONDS = 5.0


class LogplexCounts:
    """The logplex behind its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers = True

    async def read(self) -> dict[str, Any] | None:
        """What it has counted; None if it does not answer, which is logged once."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._path)), timeout=timeout) as session,
                session.get("http://logplex/counts", raise_for_status=True) as answer,
            ):
                document = judged(await answer.json())
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if self._answers:
                log.warning("the logplex does not say what it has counted: %s", str(error) or type(error).__name__)
            self._answers = False
            return None
        self._answers = True
        return document


def judged(document: Any) -> dict[str, Any]:
    """The document, if it is one of `hostd.logplex.counts.Counts`; raises ValueError for one of another version."""
    match document:
        case {"run": str(), "apps": dict() as apps} if all(map(_is_counted, apps.values())):
            return dict(document)
    raise ValueError("its answer is one of another version")


def _is_counted(codes: Any) -> bool:
    return isinstance(codes, dict) and all(isinstance(count, int) for count in codes.values())
