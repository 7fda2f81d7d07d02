"""static.json as a value: what heroku-buildpack-static reads, checked. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

ROOTS = ("public_html", "public", "dist", "build", "_site")
"""Folders that are served when static.json names none: the first that has an index.html, else the app's own."""

_STATUSES = (301, 302, 303, 307, 308)
_LEVELS = ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"[A-Za-z0-9.:_${}-]+")
_PATTERN = re.compile(r"/[^\s\"\\]*")


class SettingsError(ValueError):
    """static.json says something that cannot be done; the message says what."""


@dataclass(frozen=True)
class Redirect:
    """Where a path that is no file leads, and with which status."""

    url: str
    status: int = 301


@dataclass(frozen=True)
class Settings:
    """A site. Patterns are paths in which `*` stands for any part of a segment and `**` for anything."""

    root: str = "."
    encoding: str = "UTF-8"
    clean_urls: bool = False
    https_only: bool = False
    canonical_host: str = ""
    error_page: str = ""
    not_found_page: str = ""
    gzip: bool = True
    access_log: bool = True
    error_log: str = "error"
    basic_auth: bool = False
    basic_auth_htpasswd_path: str = ""
    routes: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, Redirect] = field(default_factory=dict)
    proxies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def read_settings(text: str | None, has: Callable[[str], bool]) -> Settings:
    """What a static.json means; None where there is none. `has` says whether the app has a path.

    Raises SettingsError.
    """
    try:
        content = json.loads(text) if text is not None else {}
    except ValueError as error:
        raise SettingsError(f"static.json is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError("static.json must be an object: {...}")
    logging = _object(content.pop("logging", {}), "logging")
    root = _root(content.pop("root", None), has)
    readers: dict[str, Callable[[Any, str], Any]] = {
        "encoding": _text(re.compile(r"[A-Za-z0-9_.:-]+")),
        "clean_urls": _flag,
        "https_only": _flag,
        "canonical_host": _optional(_text(_HOST)),
        "error_page": _optional(_page),
        "gzip": _flag,
        "basic_auth": _flag,
        "basic_auth_htpasswd_path": _text(re.compile(r"[^\s\"';{}$\\]+")),
        "routes": _routes,
        "redirects": _redirects,
        "proxies": _proxies,
        "headers": _headers,
    }
    read = {name: reader(content.pop(name), name) for name, reader in readers.items() if name in content}
    if read.get("error_page") and not has(root + read["error_page"]):
        raise SettingsError(f'static.json names the error page {read["error_page"]}, but "{root}" has no such file')
    return Settings(
        root=root,
        access_log=_flag(logging.get("access", True), "logging.access"),
        error_log=_level(logging.get("error", "error")),
        not_found_page="/404.html" if has(f"{root}/404.html") else "",
        unknown=tuple(sorted(content)),
        **read,
    )


def known() -> list[str]:
    """The names that static.json may have, for messages."""
    inner = {"access_log", "error_log", "not_found_page", "unknown"}
    return sorted({"logging", *(each.name for each in fields(Settings) if each.name not in inner)})


# Helpers: each reads one value, and raises SettingsError naming it


def _root(asked: object, has: Callable[[str], bool]) -> str:
    if asked is None:
        return next((name for name in ROOTS if has(f"{name}/index.html")), ".")
    if not isinstance(asked, str) or re.search(r"[\"\\$\n]|(^|/)\.\.(/|$)", asked):
        raise SettingsError('"root" in static.json must be a folder of the app, such as "dist/"')
    root = asked.strip("/") or "."
    if root != "." and not has(root):
        raise SettingsError(f'static.json says that the root is "{asked}", but the app has no such folder')
    return root


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f'"{name}" in static.json must be an object: {{...}}')
    return value


def _flag(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return value
    raise SettingsError(f'"{name}" in static.json must be true or false')


def _text(allowed: re.Pattern[str]) -> Callable[[Any, str], str]:
    def read(value: object, name: str) -> str:
        if isinstance(value, str) and allowed.fullmatch(value):
            return value
        raise SettingsError(f'"{name}" in static.json cannot be {json.dumps(value)}')

    return read


def _optional(read: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    return lambda value, name: "" if value in (None, False, "") else read(value, name)


def _level(value: object) -> str:
    if value in _LEVELS:
        return str(value)
    raise SettingsError(f'"logging.error" in static.json must be one of {", ".join(_LEVELS)}')


def _page(value: object, name: str) -> str:
    return "/" + _text(re.compile(r"[^\s\"';{}$\\]+"))(value, name).lstrip("/")


def _pattern(value: str, name: str) -> str:
    if not _PATTERN.fullmatch(value):
        raise SettingsError(f'"{value}" in "{name}" of static.json must be a path that begins with /')
    return value


def _address(value: object, name: str) -> str:
    if isinstance(value, str) and re.fullmatch(r"[^\s\"\\]+", value):
        return value
    raise SettingsError(f'"{name}" in static.json names an address that cannot be one: {json.dumps(value)}')


def _routes(value: object, name: str) -> dict[str, str]:
    return {_pattern(path, name): _page(target, name) for path, target in _object(value, name).items()}


def _redirects(value: object, name: str) -> dict[str, Redirect]:
    redirects = {}
    for path, said in _object(value, name).items():
        known = said if isinstance(said, dict) else {"url": said}
        status = known.get("status") or 301
        if status not in _STATUSES:
            raise SettingsError(f'The redirect of "{path}" in static.json needs a status of {_STATUSES}')
        redirects[_pattern(path, name)] = Redirect(_address(known.get("url"), name), status)
    return redirects


def _proxies(value: object, name: str) -> dict[str, str]:
    proxies = {}
    for path, said in _object(value, name).items():
        origin = _address(said.get("origin") if isinstance(said, dict) else said, name)
        if not origin.startswith(("http://", "https://", "${")):
            raise SettingsError(f'The origin of "{path}" in static.json must begin with http:// or https://')
        proxies[_pattern(path, name)] = origin
    return proxies


def _headers(value: object, name: str) -> dict[str, dict[str, str]]:
    headers = {}
    for path, said in _object(value, name).items():
        for header, content in _object(said, name).items():
            if not _HEADER.fullmatch(header) or re.search(r"[\r\n\0]", str(content)):
                raise SettingsError(f'"{header}" for "{path}" in static.json is not a header')
        headers[_pattern(path, name)] = {header: str(content) for header, content in said.items()}
    return headers
