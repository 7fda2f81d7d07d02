"""What an app needs of its platform: the PHP, the Debian packages with its extensions, the web servers. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .constraints import numbers, satisfies

USUAL = ("curl", "mbstring", "mysql", "opcache", "pgsql", "readline", "sqlite3", "xml", "zip")
"""Packages with extensions that every app gets, as on Heroku, where PHP has most of them built in."""

# fmt: off
_BUILT_IN = frozenset((
    "calendar", "core", "ctype", "date", "exif", "ffi", "fileinfo", "filter", "ftp", "gettext", "hash", "iconv", "json",
    "libxml", "openssl", "pcntl", "pcre", "pdo", "phar", "posix", "random", "reflection", "session", "shmop", "sockets",
    "sodium", "spl", "standard", "sysvmsg", "sysvsem", "sysvshm", "tokenizer", "zlib",
))
_PACKAGES = {
    "dom": "xml", "simplexml": "xml", "xmlreader": "xml", "xmlwriter": "xml", "xsl": "xml", "mysqli": "mysql",
    "mysqlnd": "mysql", "pdo_mysql": "mysql", "pdo_pgsql": "pgsql", "pdo_sqlite": "sqlite3", "zend-opcache": "opcache",
    "pdo_odbc": "odbc", "pdo_dblib": "sybase", "pdo_firebird": "interbase",
}
# fmt: on


class PlatformError(ValueError):
    """What the app asks for cannot be had; the message has the list of what can."""


@dataclass(frozen=True)
class Platform:
    """PHP's series (8.2) and version, the Debian packages of its extensions, and where the vendor folders are."""

    series: str
    version: str
    packages: tuple[str, ...]
    vendor: str = "vendor"
    binaries: str = "vendor/bin"
    scripts: tuple[str, ...] = ()
    installs: bool = False
    servers: tuple[str, ...] = field(default=("nginx",))


def plan(
    composer: str | None, lock: str | None, available: Mapping[str, str], servers: Sequence[str] = ("nginx",)
) -> Platform:
    """What an app needs, by the texts of its composer.json and composer.lock.

    `available` are the versions of Debian's packages `phpX.Y-NAME`. Raises PlatformError.
    """
    project, locked = _read(composer, "composer.json"), _read(lock, "composer.lock")
    required = _requirements(project, locked)
    series, version = _choose(required.get("php", []), available)
    settings = _object(project.get("config", {}))
    vendor = str(settings.get("vendor-dir", "vendor")).strip("/")
    return Platform(
        series,
        version,
        tuple(_packages(required, series, available)),
        vendor,
        str(settings.get("bin-dir", f"{vendor}/bin")).strip("/"),
        tuple(_object(project.get("scripts", {}))),
        bool(project),
        tuple(servers),
    )


def choose_servers(procfile: str, htaccess: bool) -> tuple[str, ...]:
    """The web servers that a Procfile calls; without one Apache for apps with an .htaccess, else nginx."""
    called = tuple(name for name in ("apache2", "nginx") if re.search(rf"\bheroku-php-{name}\b", procfile))
    return called or (("apache2",) if htaccess else ("nginx",))


# Helpers


def _read(text: str | None, name: str) -> dict[str, Any]:
    try:
        return _object(json.loads(text or "{}"))
    except ValueError as error:
        raise PlatformError(f"{name} cannot be read: {error}") from error


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if value == []:  # how PHP writes an empty object
        return {}
    raise ValueError(f"an object was expected, not {json.dumps(value)[:60]}")


def _requirements(project: dict[str, Any], locked: dict[str, Any]) -> dict[str, list[str]]:
    """Constraints by the lower-case names of php and of extensions: the app's own and its packages'."""
    found: dict[str, list[str]] = {}
    packages = [package for package in locked.get("packages", []) if isinstance(package, dict)]
    provided = {name.lower() for package in packages for name in _object(package.get("provide", {}))}
    for owner in [project, *packages]:
        for name, constraint in _object(owner.get("require", {})).items():
            lowered = name.lower().replace(" ", "-")
            if lowered == "php" or (lowered.startswith("ext-") and lowered not in provided):
                found.setdefault(lowered, []).append(str(constraint))
    return found


def _choose(constraints: Iterable[str], available: Mapping[str, str]) -> tuple[str, str]:
    had = {}
    for package, version in available.items():
        if found := re.fullmatch(r"php(\d+\.\d+)-fpm", package):
            had[found[1]] = re.sub(r"^\d+:", "", version).partition("-")[0].partition("~")[0]
    newest = sorted(had.items(), key=lambda item: numbers(item[1]), reverse=True)
    if not newest:
        raise PlatformError("The stack's package sources have no PHP.")
    constraints = list(constraints)
    for series, version in newest:
        if all(_satisfied(version, constraint) for constraint in constraints):
            return series, version
    listed = ", ".join(version for _, version in newest)
    unmet = " and ".join(dict.fromkeys(text for text in constraints if not _satisfied(newest[0][1], text)))
    raise PlatformError(
        f"composer.json asks for PHP {unmet}, which cannot be had. Of this stack's Debian can be had: {listed}. "
        f"Ask for one of these in composer.json, such as ^{newest[0][0]}."
    )


def _satisfied(version: str, constraint: str) -> bool:
    try:
        return satisfies(numbers(version), constraint)
    except ValueError:
        raise PlatformError(f'composer.json asks for PHP "{constraint}", which is not a constraint.') from None


def _packages(required: Iterable[str], series: str, available: Mapping[str, str]) -> list[str]:
    wanted = [f"php{series}-{name}" for name in USUAL]
    wanted = [package for package in wanted if package in available]
    for name in sorted(name.removeprefix("ext-") for name in required if name.startswith("ext-")):
        if name in _BUILT_IN:
            continue
        package = f"php{series}-{_PACKAGES.get(name, name)}"
        if package not in available:
            raise PlatformError(
                f"The extension ext-{name} cannot be had for PHP {series}. Of this stack's Debian can be had: "
                + ", ".join(_extensions(series, available))
            )
        wanted.append(package)
    return list(dict.fromkeys(wanted))


def _extensions(series: str, available: Mapping[str, str]) -> list[str]:
    prefix = f"php{series}-"
    programs = {"cli", "fpm", "cgi", "phpdbg", "common", "dev"}
    names = {package.removeprefix(prefix) for package in available if package.startswith(prefix)}
    return sorted(names - programs)
