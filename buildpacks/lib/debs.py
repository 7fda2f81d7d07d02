"""Decides about Debian packages for `debs.sh`: what the stack already has, and what a wrong name may have meant.

Runs in a build as `python3 -I debs.py COMMAND`, with nothing but the standard library:

    base            reads a dpkg status, writes the part of it that every stack has
    names           reads that part, writes the names of its packages
    alternatives    reads packages' postinst scripts, writes the links "LINK TARGET" that update-alternatives would make
    complain        reads apt's messages, writes what they mean; argument: a file with all names that can be had
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

SUGGESTED = 3
"""How many names are suggested for one that does not exist."""

_DEPENDENCIES = ("Pre-Depends", "Depends")
_UNKNOWN = (
    re.compile(r"^E: Unable to locate package (?P<name>\S+)"),
    re.compile(r"^E: Package '(?P<name>[^']+)' has no installation candidate"),
    re.compile(r"^E: Couldn't find any package by (?:glob|regex) '(?P<name>[^']+)'"),
)
_ALTERNATIVE = re.compile(r"update-alternatives\s[^;&|\n]*--install\s+(/[^\s$]+)\s+\S+\s+(/[^\s$]+)\s+(\d+)")
_NO_VERSION = re.compile(r"^E: Version '(?P<version>[^']+)' for '(?P<name>[^']+)' was not found")


def base(status: str) -> str:
    """The stanzas of a dpkg status that every stack has: essential and required packages, and what those need.

    Of alternatives (`a | b`) all that are installed count, and so does what provides a virtual package.
    """
    stanzas = {fields["Package"]: (text, fields) for text, fields in _installed(status)}
    providers = _providers(fields for _, fields in stanzas.values())
    wanted = [name for name, (_, fields) in stanzas.items() if _is_base(fields)]
    taken: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in taken:
            taken.add(name)
            for needed in _needed(stanzas[name][1]):
                wanted.extend(providers.get(needed, ()))
    return "".join(f"{text}\n\n" for name, (text, _) in stanzas.items() if name in taken)


def names(status: str) -> list[str]:
    """The names of the packages in a dpkg status."""
    return [fields["Package"] for _, fields in _installed(status)]


def complaints(messages: str, known: Iterable[str]) -> list[str]:
    """What apt's error messages mean for whoever asked for the packages; empty when they are of another kind."""
    known = list(known)
    found = []
    for line in messages.splitlines():
        if version := _NO_VERSION.match(line):
            found.append(f"Version {version['version']} of the package {version['name']} cannot be had.")
        for pattern in _UNKNOWN:
            if unknown := pattern.match(line):
                found.append(_no_such_package(unknown["name"], known))
    return found


def alternatives(scripts: str) -> dict[str, str]:
    """The links that scripts make with update-alternatives, with the targets of the highest priority.

    Only calls that name both in plain words count: nothing of a script is run.
    """
    best: dict[str, tuple[int, str]] = {}
    for link, target, priority in _ALTERNATIVE.findall(scripts.replace("\\\n", " ")):
        if int(priority) > best.get(link, (-1, ""))[0]:
            best[link] = (int(priority), target)
    return {link: target for link, (_, target) in best.items()}


# Helpers


def _no_such_package(name: str, known: list[str]) -> str:
    said = f"There is no package named {name} in the stack's package sources."
    close = difflib.get_close_matches(name, known, SUGGESTED, 0.7)
    longer = sorted((other for other in known if other.startswith(name)), key=len)
    meant = list(dict.fromkeys([*close, *longer]))[:SUGGESTED]
    return f"{said} Did you mean {' or '.join(meant)}?" if meant else said


def _installed(status: str) -> Iterator[tuple[str, dict[str, str]]]:
    for text in re.split(r"\n{2,}", status.strip()):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", text, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            yield text, fields


def _is_base(fields: dict[str, str]) -> bool:
    return fields.get("Essential") == "yes" or fields.get("Priority") == "required"


def _providers(stanzas: Iterable[dict[str, str]]) -> dict[str, list[str]]:
    providers: dict[str, list[str]] = {}
    for fields in stanzas:
        for name in {fields["Package"], *_relation_names(fields.get("Provides", ""))}:
            providers.setdefault(name, []).append(fields["Package"])
    return providers


def _needed(fields: dict[str, str]) -> Iterator[str]:
    for key in _DEPENDENCIES:
        yield from _relation_names(fields.get(key, ""))


def _relation_names(relations: str) -> list[str]:
    """The names in a list of relations such as `libc6 (>= 2.34), gpgv | gpgv2:any`."""
    parts = (part.strip() for part in re.split(r"[,|]", relations))
    return [re.split(r"[\s(:\[]", part, maxsplit=1)[0] for part in parts if part]


def _main(arguments: list[str]) -> int:
    commands: dict[str, Callable[[str], str]] = {
        "base": base,
        "names": lambda text: "".join(f"{name}\n" for name in names(text)),
        "alternatives": lambda text: "".join(f"{link} {target}\n" for link, target in alternatives(text).items()),
        "complain": lambda text: "".join(f"{line}\n" for line in complaints(text, _lines(arguments[1]))),
    }
    sys.stdout.write(commands[arguments[0]](sys.stdin.read()))
    return 0


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").split()


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
