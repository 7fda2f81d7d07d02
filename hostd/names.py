"""What names, config vars and scale expressions may look like.

Each validator takes a text from outside and hands back the value to use, or raises Invalid, naming the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hostd import sizes
from hostd.errors import Invalid

RESERVED_APP_NAMES = frozenset({"api", "git", "hostd", "localhost", "status", "www"})
RESERVED_CONFIG_KEYS = frozenset({"DYNO", "HOME", "PORT", "PS"})
CONFIG_LIMIT = 16 * 1024
"""Bytes that all config vars of an app may take, keys and values together (Heroku's limit)."""
MOST_DYNOS = 100
UNSCALABLE = {
    "release": "it runs once per release, before the release goes live",
    "run": "it names one-off dynos, which `hostctl run` starts",
}

_APP_NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_CONFIG_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROCESS_TYPE = re.compile(r"[A-Za-z0-9_-]{1,63}")
_CHECK_PATH = re.compile(r"/[!-~]{0,1023}")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&*+/=?^_{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,188}[A-Za-z0-9])?")
_SCALE = re.compile(r"(?P<type>[A-Za-z0-9_-]+)(?P<sign>[=+-])(?P<count>(?:(?<==)-)?[0-9]+)(?::(?P<size>\S+))?")
_QUANTITY = re.compile(r"(?P<sign>[+-]?)(?P<count>[0-9]+)")


def app_name(text: str) -> str:
    """An app's name: it becomes a host name, a unit name and a git address."""
    if not text:
        raise Invalid("An app's name must not be empty.")
    if not _APP_NAME.fullmatch(text):
        raise Invalid(
            f"{_quote(text)} cannot be an app's name: it must be 3 to 30 characters, start with a lower-case "
            "letter, end with a letter or digit, and hold only a-z, 0-9 and dashes."
        )
    if text in RESERVED_APP_NAMES:
        raise Invalid(f"{text} cannot be an app's name: it is reserved for the platform. Choose another.")
    return text


def email(text: str) -> str:
    """A user's e-mail address, which is also the user's name; lower-cased, as people type it either way."""
    if len(text) > 254 or not _EMAIL.fullmatch(text) or ".." in text:
        raise Invalid(f"{_quote(text)} is not an e-mail address: it must look like you@example.com.")
    return text.lower()


def person(text: str) -> str:
    """What a user is called: any words in one line."""
    if not text.strip() or len(text) > 100 or not text.isprintable():
        raise Invalid(f"{_quote(text)} cannot be a person's name: it must be one line of 1 to 100 characters.")
    return text.strip()


def process_type(text: str) -> str:
    """A process type as in a Procfile."""
    if not _PROCESS_TYPE.fullmatch(text):
        raise Invalid(f"{_quote(text)} cannot be a process type: it must be 1 to 63 letters, digits, - or _.")
    return text


def known_type(text: str, known: Iterable[str], app: str = "the app") -> str:
    """The process type, if it is one of those the app has; otherwise Invalid, with the types there are."""
    types = sorted(known)
    if text in types:
        return text
    if not types:
        raise Invalid(f"There is no process type {_quote(text)}: {app} has none. Deploy it first.")
    import difflib  # slow to import, and only needed here

    near = difflib.get_close_matches(text, types, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise Invalid(f"There is no process type {_quote(text)} in {app}. It has: {', '.join(types)}.{hint}")


def checked_type(text: str) -> str:
    """The process type of a health check: only web dynos are asked for anything."""
    if text != "web":
        raise Invalid(f"{_quote(text)} cannot have a health check: only web dynos answer requests.")
    return text


def check_path(text: str) -> str:
    """The path that a health check asks for."""
    if not _CHECK_PATH.fullmatch(text):
        raise Invalid(
            f"{_quote(text)} cannot be the path of a health check: it must begin with / and be at most 1024 "
            "characters of ASCII without blanks, such as /health."
        )
    return text


def config_key(text: str) -> str:
    """The name of a config var that a user may set."""
    if not _CONFIG_KEY.fullmatch(text):
        raise Invalid(
            f"{_quote(text)} cannot be a config var's name: it must be letters, digits and underscores, "
            "and must not start with a digit."
        )
    if len(text) > 256:
        raise Invalid(f"{_quote(text)} cannot be a config var's name: {len(text)} characters, the limit is 256.")
    if text in RESERVED_CONFIG_KEYS or text.startswith("HOSTD_"):
        raise Invalid(f"{text} cannot be set: the platform sets it in every dyno. Use another name.")
    return text


def config_value(key: str, value: str) -> str:
    """The value of a config var: any text that can stand in an environment. The value is not in the error."""
    if "\0" in value:
        raise Invalid(f"The value of {key} holds a NUL character, which no environment variable can.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"The value of {key} is not text in UTF-8.") from error
    return value


def config_size(config: Mapping[str, str]) -> int:
    """Bytes that keys and values take together; raises Invalid above the limit."""
    size = sum(len(key.encode()) + len(value.encode()) for key, value in config.items())
    if size > CONFIG_LIMIT:
        raise Invalid(
            f"The config vars would take {size} bytes, keys and values together; the limit is {CONFIG_LIMIT} "
            "bytes. Keep large values in a file of the app or in a backing service."
        )
    return size


def config_changes(config: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """A new config with changes applied (None removes a var), every key, value and the whole size checked.

    Only the changes are held against the rules for keys: the platform may have set what a user may not.
    """
    merged = dict(config)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[config_key(key)] = config_value(key, value)
    config_size(merged)
    return merged


@dataclass(frozen=True, slots=True)
class ScaleChange:
    """One change of a formation: an absolute `quantity`, or a `delta`, and perhaps a new size."""

    type: str
    quantity: int | None = None
    delta: int = 0
    size: str | None = None

    def target(self, current: int) -> int:
        """How many dynos there should be, given how many there should be now; Invalid beyond 0..100."""
        return _bounded(self.type, current + self.delta if self.quantity is None else self.quantity)


def scale(expression: str) -> ScaleChange:
    """Read `web=2`, `worker+1`, `web-1` or `web=2:standard-2x`; `known_type` tells whether the type exists."""
    found = _SCALE.fullmatch(expression)
    if not found:
        raise Invalid(
            f"{_quote(expression)} is not a scale expression. Write TYPE=NUMBER, TYPE+NUMBER or TYPE-NUMBER, "
            "perhaps with a size: web=2, worker+1, web=2:standard-2x."
        )
    sign = "" if found["sign"] == "=" else found["sign"]
    return _change(found["type"], sign, found["count"], found["size"])


def scale_update(type: str, quantity: int | str | None = None, size: str | None = None) -> ScaleChange:
    """A formation update of the API: quantity 2, "2", "+1" or "-1"; None leaves the number as it is."""
    if quantity is None:
        return _change(type, "+", "0", size)
    if isinstance(quantity, int):
        return _change(type, "", str(int(quantity)), size)
    found = _QUANTITY.fullmatch(quantity)
    if not found:
        raise Invalid(f"{_quote(quantity)} is not a number of dynos: write a number, or one with + or - before it.")
    return _change(type, found["sign"], found["count"], size)


def generated_app_name(taken: Callable[[str], bool], choose: Callable[[Sequence[str]], str] | None = None) -> str:
    """A free name such as `gentle-mesa-5445`: adjective, noun, and four digits."""
    if choose is None:
        import secrets  # slow to import, and hostctl reads this module for everything but this

        choose = secrets.choice
    adjectives, nouns = _ADJECTIVES.split(), _NOUNS.split()
    while True:
        digits = "".join((choose("123456789"), *(choose("0123456789") for _ in range(3))))
        name = f"{choose(adjectives)}-{choose(nouns)}-{digits}"
        if not taken(name):
            return name


_ADJECTIVES = """
ancient autumn blooming bold brave breezy bright broad calm clear cold cool crimson crisp damp dark dawn
deep dry dusty early evening fading fierce floating flowing fresh frosty frozen gentle glowing golden
grand great green hidden high hollow icy infinite late lively lone long lucky mighty misty morning mossy
nameless narrow old open pale peaceful pink polar proud pure quiet radiant rapid restless rocky rough
round salty serene shady sharp shining shy silent silver sleepy small snowy soft solitary sparkling
spring steep still stormy summer sunny swift tall thawing tranquil vast velvet violet wandering warm
weathered whispering white wide wild winter wispy young
"""
_NOUNS = """
basin bay beach bird bluff breeze brook bush canyon cape cave cherry cliff cloud coast cove creek crest
current dawn delta dew dream dune dusk feather fern field fire fjord flower fog forest frost garden
geyser glacier glade grass grove gulf harbor haze hill hollow ice inlet island lagoon lake leaf ledge
marsh meadow mesa mist moon mountain oasis ocean orchard peak pebble pine plain plateau pond poppies
prairie rain range reef ridge river rock sea shadow shore sky smoke snow sound spring star steppe stone
storm stream summit sun sunset surf thicket thunder tide tor tree tundra valley violet water wave
wildflower wind wood
"""


def _change(type_name: str, sign: str, digits: str, size: str | None) -> ScaleChange:
    type_name = process_type(type_name)
    count = int(digits[:10])  # int() refuses thousands of digits; ten are above every bound already
    # Heroku's ps:type sends every process type with the size, and a line of its ps:scale has them all: release=0.
    if count and (reason := UNSCALABLE.get(type_name)):
        raise Invalid(f"{type_name} cannot be scaled: {reason}.")
    size_name = sizes.get(size).name if size is not None else None
    if not sign:
        return ScaleChange(type_name, quantity=_bounded(type_name, count), size=size_name)
    if count > MOST_DYNOS:
        raise Invalid(f"{type_name}{sign}{digits[:10]} is too much: a type has 0 to {MOST_DYNOS} dynos.")
    return ScaleChange(type_name, delta=-count if sign == "-" else count, size=size_name)


def _bounded(type_name: str, count: int) -> int:
    if count < 0:
        raise Invalid(f"{type_name}={count} is below 0: a type has 0 to {MOST_DYNOS} dynos.")
    if count > MOST_DYNOS:
        raise Invalid(f"{type_name}={count} is too much: a type has 0 to {MOST_DYNOS} dynos.")
    return count


def _quote(text: str) -> str:
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return repr(shown)
