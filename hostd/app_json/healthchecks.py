"""Health checks of a manifest: what hostd does of them, and what it does not.

hostd asks a web dyno for one path when it starts (docs/dynos.md). Which that is `slugs.declared` reads from the
finished tree, at each deploy; here the whole declaration is looked through, and what will not happen is said.
"""

from __future__ import annotations

from typing import Any

from hostd.app_json.reading import Notes, flag_of, shown, text_of, whole_of

CHECKED = "web"
STARTUP = "startup"
TYPES = ("startup", "liveness", "readiness")
KNOWN = (
    *("type", "name", "path", "command", "content", "attempts", "wait", "warn", "timeout", "initialDelay"),
    *("port", "scheme", "httpHeaders", "listening", "uptime", "onFailure"),
)
_TIMES = ("attempts", "wait", "timeout", "initialDelay", "uptime", "port")


def review(value: Any, notes: Notes) -> None:
    """Say what of a declaration is wrong, and what is not done."""
    if not isinstance(value, dict):
        notes.refuse("healthchecks", 'must be an object: {"web": [{"type": "startup", "path": "/health"}]}')
        return
    for type_, listed in value.items():
        place = f"healthchecks.{shown(type_)}"
        if not isinstance(listed, list | dict):
            notes.refuse(place, 'must be a list: [{"type": "startup", "path": "/health"}]')
        elif type_ != CHECKED:
            notes.warn(f"{place} is passed over: only web dynos are asked for anything")
        else:
            _review_checks(listed if isinstance(listed, list) else [listed], place, notes)


def _review_checks(listed: list[Any], place: str, notes: Notes) -> None:
    chosen: int | None = None
    for number, check in enumerate(listed):
        where = f"{place}[{number}]"
        if not isinstance(check, dict):
            notes.refuse(where, 'must be an object: {"type": "startup", "path": "/health"}')
            continue
        _review_fields(check, where, notes)
        if "path" in check and chosen is None:
            chosen = number
            _review_chosen(check, where, notes)
        elif "path" in check:
            notes.warn(f"{where} is not asked: hostd asks for one path, that of {place}[{chosen}]")
        elif "command" in check:
            notes.warn(f"{where} is not run: hostd runs no commands as health checks, it asks for a path")
        else:
            notes.warn(f"{where} is not needed: a web dyno must listen on $PORT in any case")


def _review_fields(check: dict[str, Any], where: str, notes: Notes) -> None:
    notes.unknown(check, KNOWN, where)
    if (kind := text_of(check.get("type"), f"{where}.type", notes)) is not None and kind not in TYPES:
        notes.refuse(f"{where}.type", f"must be one of {', '.join(TYPES)}")
    for name in ("name", "content"):
        text_of(check.get(name), f"{where}.{name}", notes)
    for name in _TIMES:
        whole_of(check.get(name), f"{where}.{name}", notes)
    flag_of(check.get("warn"), f"{where}.warn", notes, default=False)
    path = text_of(check.get("path"), f"{where}.path", notes)
    if path is not None and not (path.startswith("/") and path.isascii() and path.isprintable() and " " not in path):
        notes.refuse(f"{where}.path", "must begin with / and have no blanks: /health")


def _review_chosen(check: dict[str, Any], where: str, notes: Notes) -> None:
    if check.get("type", STARTUP) != STARTUP:
        notes.warn(f"{where} ({check['type']}) is asked when a dyno starts, and not later")
    if given := [name for name in KNOWN if name in check and name not in ("type", "name", "path")]:
        notes.warn(
            f"{where}: {', '.join(given)} is not used: a web dyno must answer a GET of the path with a status "
            "of 200 to 399 within the boot timeout"
        )
