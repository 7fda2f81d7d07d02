"""Targets: to whom an alert goes, as `mail:ADDRESS`, an address of https, or `exec:PROGRAM`."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field

from yarl import URL

from hostd import names
from hostd.errors import Invalid

MOST = 10
"""Targets of one alert."""
LONGEST = 2000
"""Characters of one target."""
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ALLOWED = "Write mail:you@example.com, https://example.com/path, or exec:PROGRAM"


class Way(enum.Enum):
    """How a target is reached."""

    MAIL = "mail"
    HTTPS = "https"
    EXEC = "exec"


@dataclass(frozen=True, slots=True)
class Target:
    """A target: a mail address, an address of https, or the name of a program. Secrets may be in the second."""

    way: Way
    where: str = field(repr=False)

    def __str__(self) -> str:
        """As everybody may see it: of an address of https only the server."""
        if self.way is not Way.HTTPS:
            return f"{self.way.value}:{self.where}"
        url = URL(self.where)
        port = "" if url.is_default_port() else f":{url.port}"
        server = f"https://{f'[{url.host}]' if ':' in (url.host or '') else url.host}{port}"
        return f"{server}/" if url.raw_path_qs == "/" and not url.raw_authority.count("@") else f"{server}/***"

    @property
    def text(self) -> str:
        """As it is written."""
        return self.where if self.way is Way.HTTPS else f"{self.way.value}:{self.where}"


def parse(text: str) -> Target:
    """The target that a text is. Raises Invalid, without the text of an address of https in it."""
    if len(text) > LONGEST or not text.isprintable() or not text.isascii():
        raise Invalid(f"A target has up to {LONGEST} characters of ASCII. {_ALLOWED}")
    way, mark, rest = text.partition(":")
    match way.lower() if mark else "":
        case "mail" | "mailto":
            return Target(Way.MAIL, names.email(rest))
        case "https":
            return Target(Way.HTTPS, _address(text))
        case "http":
            raise Invalid("An alert goes by https only: what it says is for its receiver alone.")
        case "exec":
            if not _PROGRAM.fullmatch(rest):
                raise Invalid(
                    f"{rest[:70]!r} cannot be a program: give the name of one in the directory of alert_programs, "
                    "without a path or arguments."
                )
            return Target(Way.EXEC, rest)
    raise Invalid(f"{text.partition('/')[0][:40]!r} is no target. {_ALLOWED}")


def parse_all(texts: list[str]) -> list[Target]:
    """The targets, none of them twice. Raises Invalid."""
    targets = list(dict.fromkeys(map(parse, texts)))
    if len(targets) > MOST:
        raise Invalid(f"An alert has at most {MOST} targets, not {len(targets)}.")
    return targets


def _address(text: str) -> str:
    if re.search(r"[\s\"<>\\^`{|}]", text):
        raise Invalid("That is no address of https: it has a character in it that none has.")
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        raise Invalid("That is no address of https. Write https://example.com/path") from error
    if url.scheme != "https" or not url.host or not port or not text.lower().startswith("https://"):
        raise Invalid("That is no address of https. Write https://example.com/path")
    if url.raw_fragment:
        raise Invalid("An address of https has no # here: what follows it is never sent.")
    return str(url)
