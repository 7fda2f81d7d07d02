"""Unit names and the two ways systemd escapes them: in unit names and in D-Bus object paths."""

import string

UNIT_PATHS = "/org/freedesktop/systemd1/unit/"

_LETTERS_AND_DIGITS = frozenset(string.ascii_letters + string.digits)
_PLAIN_IN_NAMES = _LETTERS_AND_DIGITS | frozenset(":_.")


def escape(text: str) -> str:
    r"""One component of a unit name, as ``systemd-escape`` writes it: ``my-app`` becomes ``my\x2dapp``.

    Every byte but letters, digits, ``:``, ``_`` and ``.`` becomes ``\xNN``; so does a leading dot;
    ``/`` becomes ``-`` (systemd.unit(5), "String escaping for inclusion in unit names").
    """
    escaped = "".join(_escaped_in_name(character) for character in text)
    return r"\x2e" + escaped[1:] if escaped.startswith(".") else escaped


def slice_of(*components: str) -> str:
    r"""The slice below others: ``slice_of("hostd", "apps", "my-app")`` is ``hostd-apps-my\x2dapp.slice``."""
    return "-".join(escape(component) for component in components) + ".slice"


def object_path(unit: str) -> str:
    """The unit's place on the bus: all but letters and digits become ``_nn``, and so does a leading digit."""
    encoded = "".join(
        character
        if character in _LETTERS_AND_DIGITS and not (index == 0 and character.isdigit())
        else _hexed(character)
        for index, character in enumerate(unit)
    )
    return UNIT_PATHS + (encoded or "_")


def unit_at(path: str) -> str | None:
    """The unit whose object path this is, or None when the path is not a unit's."""
    if not path.startswith(UNIT_PATHS):
        return None
    first, *rest = path.removeprefix(UNIT_PATHS).split("_")
    decoded = first.encode() + b"".join(_unhexed(part) for part in rest)
    return decoded.decode(errors="replace")


def _escaped_in_name(character: str) -> str:
    if character == "/":
        return "-"
    if character in _PLAIN_IN_NAMES:
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def _hexed(character: str) -> str:
    return "".join(f"_{byte:02x}" for byte in character.encode())


def _unhexed(part: str) -> bytes:
    return bytes.fromhex(part[:2]) + part[2:].encode()
