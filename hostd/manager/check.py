"""A health check: does a dyno answer a request well? Asked before it gets any from the router."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from hostd.manager.dyno import Place

_AGAIN_SECONDS = 0.25
_ANSWER_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0
_SHOWN_CHARACTERS = 100
_READ_BYTES = 400
_WELL = range(200, 400)
"""A redirect is an answer of an app that is well: many send their visitors to https or to a login."""


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked: a path, and the host name under which the app is asked for it."""

    path: str
    host: str


async def wait_well(place: Place, check: Check, seconds: float) -> str | None:
    """Ask until the answer is one of 200 to 399: then None; else, after *seconds*, what was answered last.

    There is no event to wait for: an app tells nobody that it has become well.
    """
    answer = "nothing"
    try:
        async with asyncio.timeout(seconds):
            while True:
                status, answer = await ask(place, check)
                if status in _WELL:
                    return None
                await asyncio.sleep(_AGAIN_SECONDS)
    except TimeoutError:
        return answer


async def is_well(place: Place, check: Check) -> bool:
    """True if it answers well now."""
    status, _ = await ask(place, check, _PATIENCE_SECONDS)
    return status in _WELL


async def ask(place: Place, check: Check, seconds: float = _ANSWER_SECONDS) -> tuple[int, str]:
    """The status (0 for no answer) and in words what is answered now: `503 Service Unavailable: db not ready`."""
    host = f"[{place.address}]" if ":" in place.address else place.address
    try:
        async with (
            # What is packed stays so: a little of it may unpack to very much.
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds), auto_decompress=False) as session,
            session.get(
                f"http://{host}:{place.port}{check.path}",
                headers={"Host": check.host, "User-Agent": "hostd-check", "Accept": "*/*"},
                allow_redirects=False,
            ) as answer,
        ):
            if answer.status in _WELL:
                return answer.status, _status(answer.status)
            return answer.status, _told(answer.status, await answer.content.read(_READ_BYTES))
    except TimeoutError:
        return 0, f"nothing within {seconds:g} seconds"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return 0, f"no HTTP: {str(error) or type(error).__name__}"


def _told(status: int, body: bytes) -> str:
    """The status with the first line of the body: there an app says what it lacks."""
    lines = body.decode(errors="replace").strip().splitlines()
    first = "".join(character for character in lines[0] if character.isprintable()) if lines else ""
    shown = first if len(first) <= _SHOWN_CHARACTERS else f"{first[:_SHOWN_CHARACTERS]}..."
    return f"{_status(status)}: {shown}" if shown else _status(status)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
