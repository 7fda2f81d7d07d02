"""Names of domains: what one may look like, how it is written, and which others it has to do with. Pure."""

from __future__ import annotations

import ipaddress
import re

import idna

from hostd.errors import Invalid

_WILDCARD = "*."
_LONGEST = 253
"""Characters of a name in the DNS (RFC 1035, 2.3.4), without its final dot."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_DOTS = re.compile("[\u3002\uff0e\uff61]")
"""What else is a dot between labels (UTS 46, 2.3)."""


def domain_name(text: str, platform: str) -> str:
    """A domain as the ledger and the router have it: lower case, punycode, no final dot; `*.` before a wildcard.

    `platform` is the domain below which every app has its built-in name. Raises Invalid, naming what is wrong.
    """
    name = _DOTS.sub(".", text.strip()).lower()
    shown = _quote(text.strip())
    _refuse_what_is_no_name(name, shown)
    wildcard = is_wildcard(name)
    labels = base_of(name).removesuffix(".").split(".")
    plain = ".".join(_label(label, shown) for label in labels)
    _refuse_platforms(plain, wildcard, platform, shown)
    if len(labels) < 2:
        raise Invalid(f"{shown} cannot be a domain: it needs a dot, as in {'*.' * wildcard}example.com.")
    if _NUMBER.fullmatch(labels[-1]):
        raise Invalid(f"{shown} cannot be a domain: browsers take it for an IP address. Add a name that leads to it.")
    known = f"{_WILDCARD}{plain}" if wildcard else plain
    if len(known) > _LONGEST:
        raise Invalid(f"{shown} cannot be a domain: {len(known)} characters, the limit is {_LONGEST}.")
    return known


def is_wildcard(name: str) -> bool:
    """Whether a name stands for all that are one label below it: `*.example.com`."""
    return name.startswith(_WILDCARD)


def base_of(name: str) -> str:
    """The name without the asterisk of a wildcard."""
    return name.removeprefix(_WILDCARD)


def wildcards_over(name: str) -> list[str]:
    """The wildcards on whose ground a name stands: of `shop.example.com` those below it, `example.com`, `com`."""
    labels = base_of(name).split(".")
    above = [f"{_WILDCARD}{'.'.join(labels[start:])}" for start in range(len(labels))]
    return [wildcard for wildcard in above if wildcard != name]


def in_unicode(name: str) -> str:
    """The name as people write it; one that is no punycode as it is."""
    base = base_of(name)
    if "xn--" not in base:
        return name
    try:
        return f"{name[: len(name) - len(base)]}{idna.decode(base)}"
    except idna.IDNAError:
        return name


def _refuse_what_is_no_name(name: str, shown: str) -> None:
    if not name:
        raise Invalid("A domain must not be empty.")
    if "://" in name or "/" in name or "@" in name or "?" in name:
        raise Invalid(f"{shown} is an address, not a domain: give its host alone, such as www.example.com.")
    if _is_address(name):
        raise Invalid(f"{shown} is an IP address, and a domain is a name. Make a DNS record that leads to it.")
    if ":" in name:
        raise Invalid(f"{shown} has a port, and a domain has none: apps answer on the ports of this server.")
    if "*" in name.removeprefix(_WILDCARD):
        raise Invalid(f"{shown} cannot be a domain: an asterisk can only stand at the beginning, as in *.example.com.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _label(label: str, shown: str) -> str:
    """One part of a name in ASCII. Those in ASCII need no IDNA, which would refuse some that exist (`r3---sn1`)."""
    if not label:
        raise Invalid(f"{shown} cannot be a domain: between two dots, and before the first, there must be something.")
    try:
        plain = label
        if not label.isascii() or label.startswith("xn--"):
            plain = idna.encode(label, uts46=True, std3_rules=True).decode()
    except idna.IDNAError as error:
        raise Invalid(f"{shown} cannot be a domain: {error}.") from error
    if not _LABEL.fullmatch(plain):
        raise Invalid(
            f"{shown} cannot be a domain: {_quote(label)} must be 1 to 63 letters, digits and dashes, and begin and "
            "end with a letter or digit."
        )
    return plain


def _refuse_platforms(plain: str, wildcard: bool, platform: str, shown: str) -> None:
    if plain == platform or plain.endswith(f".{platform}"):
        raise Invalid(
            f"{shown} belongs to the platform: names below {platform} are those of the apps themselves. "
            f"An app called NAME answers at NAME.{platform} without being told."
        )
    if wildcard and platform.partition(".")[2] == plain:
        raise Invalid(f"{shown} would take in {platform}, which belongs to the platform.")


def _quote(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:99]}…")
