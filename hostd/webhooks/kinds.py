"""What a webhook may be: of what it can be told, how eagerly, where. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from yarl import URL

from hostd.errors import Invalid

ENTITIES = (
    "api:addon", "api:addon-attachment", "api:app", "api:build", "api:collaborator", "api:domain", "api:dyno",
    "api:formation", "api:release", "api:sni-endpoint",
)  # fmt: skip
"""Heroku's names. Of add-ons there is nothing to be told until the platform has them."""
LEVELS = ("notify", "sync")
LONGEST_URL = 2048
LONGEST_SECRET = 256
_SPACE = re.compile(r"[\s\"<>\\^`{|}]")


def includes(named: Sequence[str]) -> tuple[str, ...]:
    """The entities that are named, sorted, none twice. Raises Invalid."""
    wanted = sorted({name.strip() for name in named})
    if unknown := [name for name in wanted if name not in ENTITIES]:
        raise Invalid(f"A webhook cannot be told of {unknown[0][:40]!r}. There are: {', '.join(ENTITIES)}.")
    if not wanted:
        raise Invalid(f"Name at least one thing to be told of: {', '.join(ENTITIES)}.")
    return tuple(wanted)


def address(text: str) -> str:
    """An address of http or https. Raises Invalid, without the address in it: it may hold a secret."""
    trouble = Invalid("The address of a webhook is one of https or http: https://example.com/path")
    if len(text) > LONGEST_URL or not text.isascii() or not text.isprintable() or _SPACE.search(text):
        raise trouble
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        raise trouble from error
    if url.scheme not in ("http", "https") or not url.host or not port:
        raise trouble
    if url.raw_fragment:
        raise Invalid("The address of a webhook has no # in it: what follows it is never sent.")
    return text


def secret(text: str) -> str:
    """What deliveries are signed with. Raises Invalid."""
    if not 1 <= len(text) <= LONGEST_SECRET or not text.isprintable():
        raise Invalid(f"A secret has up to {LONGEST_SECRET} printable characters.")
    return text


def authorization(text: str) -> str:
    """What is sent as `Authorization`; "" for nothing. Raises Invalid."""
    if len(text) > LONGEST_URL or not text.isascii() or not text.isprintable():
        raise Invalid(f"An Authorization header has up to {LONGEST_URL} printable characters of ASCII.")
    return text
