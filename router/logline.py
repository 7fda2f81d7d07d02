"""Log line: one request in one line, field for field as Heroku's router writes it. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from router.faults import Fault
from router.heads import RequestHead

_MAX_FORWARDED: Final = 2048
"""Only the end of a longer X-Forwarded-For is logged: the addresses nearest to us."""
_SMALL: Final = [str(number) for number in range(1000)]


def request_line(
    head: RequestHead,
    *,
    fault: Fault | None,
    dyno: str,
    connect: float,
    service: float | None,
    status: int,
    sent: int,
    protocol: str,
    path: bytes | None = None,
) -> str:
    """One request. `connect` and `service` are seconds; without a dyno (`""`) they and `bytes` stay empty, and
    `service` (None) and `bytes` also when the dyno could not be reached. `path` stands in for a target that must not
    be seen whole."""
    shown = quoted((head.target if path is None else path).decode("latin-1"))
    if service is not None:
        timing = f"dyno={dyno} connect={_number(int(connect * 1000))}ms service={_number(int(service * 1000))}ms"
        result = f"status={_number(status)} bytes={_number(sent)}"
    elif dyno:
        timing, result = f"dyno={dyno} connect={int(connect * 1000)}ms service=", f"status={status} bytes="
    else:
        timing, result = "dyno= connect= service=", f"status={status} bytes="
    return (
        f"{_opening(fault) if fault else 'at=info'} method={head.method.decode('ascii')} "
        f'path="{shown}" host={bare(head.host)} request_id={head.request_id} '
        f'fwd="{quoted(head.forwarded[-_MAX_FORWARDED:])}" {timing} {result} protocol={protocol}'
    )


def quoted(text: str) -> str:
    """Text that can stand between double quotes in a log line: nothing in it can end the quotes or the line."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(char if _harmless(char) else _escape(char) for char in text)


@lru_cache(16 * 1024)
def bare(text: str) -> str:
    """Text that can stand in a log line without quotes: as `quoted`, and blanks and equal signs escaped too."""
    if text.isascii() and text.isprintable() and not ('"' in text or "\\" in text or " " in text or "=" in text):
        return text
    return "".join(char if _harmless(char) and char not in " =" else _escape(char) for char in text)


def _number(number: int) -> str:
    return _SMALL[number] if 0 <= number < len(_SMALL) else str(number)


def _opening(fault: Fault) -> str:
    side = f"sock={fault.side} " if fault.side else ""
    code = f"code={fault.code} " if fault.code else ""
    cause = f' cause="{quoted(fault.cause)}"' if fault.cause else ""
    return f'{side}at={fault.level} {code}desc="{quoted(fault.desc)}"{cause}'


def _harmless(char: str) -> bool:
    return " " <= char <= "~" and char not in '"\\'


def _escape(char: str) -> str:
    number = ord(char)
    if char in '"\\':
        return f"\\{char}"
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
