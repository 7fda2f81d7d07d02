"""Addresses of repositories and tarballs: taken apart, so that credentials go nowhere but to their server. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from .trouble import Trouble

SCHEMES = ("https", "http", "git")

_LIKE_SCP = re.compile(r"[\w.+-]+@[\w.-]+:")
_MASK = "***"


@dataclass(frozen=True)
class Address:
    """A URL without its credentials, and these; `shown` is what a transcript may say."""

    url: str = field(repr=False)
    username: str = field(repr=False)
    password: str = field(repr=False)
    shown: str

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def is_address(text: str) -> bool:
    """Whether it is meant as an address, and not as a name or a path."""
    return "://" in text or _LIKE_SCP.match(text) is not None


def parse(text: str) -> Address:
    """The parts of a URL; raises Trouble for one that a build cannot use."""
    if _LIKE_SCP.match(text) or text.lower().startswith(("ssh://", "git+ssh://")):
        raise Trouble(f"{_bare(text)} needs an ssh key, and a build has none: use the https:// address")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Trouble(f"{_bare(text)} is not an address: {error}") from error
    if parts.scheme not in SCHEMES or not parts.hostname or not text.isprintable() or " " in text:
        raise Trouble(f"{_bare(text)} is not an address that a build can use: write https://HOST/PATH")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = f"{host}:{port}" if port else host
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if "\n" in username + password or "\0" in username + password:
        raise Trouble(f"the credentials of {netloc} have a line break in them")
    url = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
    secret = f"{_MASK}@" if username or password else ""
    shown = urlunsplit((parts.scheme, secret + netloc, parts.path, _MASK if parts.query else "", ""))
    return Address(url, username, password, shown)


def join(base: Address, relative: str) -> Address:
    """A submodule's relative address (gitmodules(5)) below that of its repository, with the same credentials."""
    parts = urlsplit(base.url)
    path = [part for part in parts.path.split("/") if part]
    for part in relative.split("/"):
        if part == "..":
            if not path:
                raise Trouble(f"the relative address {_bare(relative)} leads out of {base.shown}")
            path.pop()
        elif part not in ("", "."):
            path.append(part)
    joined = parse(urlunsplit((parts.scheme, parts.netloc, "/" + "/".join(path), "", "")))
    return Address(joined.url, base.username, base.password, joined.shown)


def _bare(text: str) -> str:
    """Something of an address that could not be taken apart, without what might be a secret in it."""
    head, at, tail = text.rpartition("@")
    scheme = head.partition("://")[0] + "://" if "://" in head else ""
    shown = f"{scheme}{_MASK}@{tail}" if at else text
    shown = shown.partition("?")[0].encode("unicode_escape").decode()
    return shown if len(shown) <= 200 else shown[:199] + "…"
