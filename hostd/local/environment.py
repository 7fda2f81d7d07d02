"""Files of environment variables, `.env`: one `KEY=value` a line, as foreman reads them. Pure."""

from __future__ import annotations

import re

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = re.compile(r"\\(.)")
_MEANS = {"n": "\n", "r": "\r", "t": "\t"}


class EnvError(ValueError):
    """A file that cannot be used; the text names the file and the line, and never a value."""


def parse(content: str, name: str) -> dict[str, str]:
    """The variables of a file called `name`, in its order; the last of several of one key counts.

    Empty lines and lines that begin with `#` are left out, `export ` before a key too. A value in single quotes is
    taken as it is; in double quotes `\\n`, `\\"` and the like are what they mean. Raises EnvError.
    """
    found = {}
    for number, raw in enumerate(content.removeprefix("\ufeff").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        key = key.removeprefix("export ").strip()
        if not equals:
            raise EnvError(f"{name}, line {number}: no equals sign; write it as KEY=value")
        if not _KEY.fullmatch(key):
            raise EnvError(f"{name}, line {number}: that key cannot be a variable's; use letters, digits and _")
        if "\0" in value:
            raise EnvError(f"{name}, line {number}: there is a NUL in the value of {key}")
        found[key] = _value(value.strip())
    return found


def _value(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(lambda found: _MEANS.get(found[1], found[1]), text[1:-1])
    return text
