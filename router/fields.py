"""Fields: what both kinds of heads have in common: sorting fields, lists of tokens, what Connection names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Final

from router.faults import Fault

Field = tuple[bytes, bytes]

VIA: Final = {version: f"Via: {version} hostd-router\r\n".encode() for version in ("1.0", "1.1")}
"""The line that says by which version of HTTP a message reached us (RFC 9110, 7.6.3)."""

Found = dict[bytes, list[bytes]]
"""What a rule kept aside: the values of each name, in their order."""


class Rules:
    """Headers that are not simply passed on, by their names in lower case: kept aside under a name to be read, or
    dropped (the empty name)."""

    __slots__ = ("_rules", "_spelt")

    def __init__(self, rules: Mapping[bytes, bytes]) -> None:
        self._rules = dict(rules)
        self._spelt: dict[bytes, bytes | None] = {}
        """What was found for names as clients and dynos spell them, of which there are few."""

    def of(self, name: bytes) -> bytes | None:
        """The name under which a header is kept aside, empty if it is dropped; None if it is passed on."""
        rule = self._spelt.get(name, _NEW)
        if rule is _NEW:
            rule = self._rules.get(name.lower())
            if len(name) <= _LONGEST_SPELT:
                if len(self._spelt) == _MOST_SPELT:
                    self._spelt.clear()
                self._spelt[name] = rule
        return rule


class Refused(Exception):  # noqa: N818 - it is a verdict on a request, not a failure of ours
    """The message is not passed on: HTTP status and the reason in words, or the fault it is under a code of its own."""

    def __init__(self, status: int, reason: str, fault: Fault | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.fault = fault


_NEW: Final = b"?"
_LONGEST_SPELT: Final = 64
_MOST_SPELT: Final = 1024
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
        rule = rules.of(name)
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
