"""Fields: what both kinds of heads have in common: sorting fields, lists of tokens, what Connection names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Final

from router.faults import Fault

Field = tuple[bytes, bytes]

VIA: Final = {version: f"Via: {version} hostd-router\r\n".encode() for version in ("1.0", "1.1")}
"""The line that says by which version of HTTP a message reached us (RFC 9110, 7.6.3)."""

Rules = Mapping[bytes, bytes]
"""Headers that are not simply passed on: kept aside under a name to be read, or dropped (the empty name)."""
Found = dict[bytes, list[bytes]]
"""What a rule kept aside: the values of each name, in their order."""


class Refused(Exception):  # noqa: N818 - it is a verdict on a request, not a failure of ours
    """The message is not passed on: HTTP status and the reason in words, or the fault it is under a code of its own."""

    def __init__(self, status: int, reason: str, fault: Fault | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.fault = fault


_COMMON_CONNECTIONS: Final = {
    b"keep-alive": frozenset((b"keep-alive",)),
    b"close": frozenset((b"close",)),
    b"Upgrade": frozenset((b"upgrade",)),
}
_CONNECTION_WORDS: Final = frozenset((b"", b"close", b"keep-alive", b"upgrade"))


def sort(fields: Sequence[Field], rules: Rules) -> tuple[list[bytes], Found]:
    """Header lines to pass on as they are, and the values of those that a rule keeps aside."""
    lines: list[bytes] = []
    found: Found = {}
    for name, value in fields:
        rule = rules.get(name.lower())
        if rule is None:
            lines.append(b"%b: %b\r\n" % (name, value))
        elif rule in found:
            found[rule].append(value.strip(b" \t"))
        elif rule:
            found[rule] = [value.strip(b" \t")]
    return lines, found


def tokens(values: list[bytes]) -> Set[bytes]:
    """The members, in lower case, of a field that is a list, such as Connection."""
    common = _COMMON_CONNECTIONS.get(values[0])
    if common is not None and len(values) == 1:
        return common
    return {token.strip() for token in b",".join(values).lower().split(b",")}


def without(lines: list[bytes], named: Set[bytes]) -> list[bytes]:
    """Drop headers that Connection names: they were meant for us alone (RFC 9110, 7.6.1)."""
    if named <= _CONNECTION_WORDS:
        return lines
    return [line for line in lines if line.partition(b":")[0].lower() not in named]


def protocols(found: Found) -> bytes:
    """What Upgrade offers. HTTP/2 is left out: it would hide later requests from us, and RFC 9113 has dropped it."""
    values = b", ".join(found.get(b"upgrade", ()))
    if b"h2" not in values.lower():
        return values
    offers = map(bytes.strip, values.split(b","))
    return b", ".join(token for token in offers if token.lower() not in (b"h2", b"h2c"))
