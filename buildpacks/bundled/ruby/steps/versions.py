"""Which Ruby an app asks for, and which of Debian's satisfies it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Version = tuple[int, ...]

_DIRECTIVE = re.compile(r"^[ \t]*ruby[ \t(]+(?P<arguments>[\"'][^#\n]*)", re.MULTILINE)
_ENGINE = re.compile(r"\bengine(?::|[\"']?\s*=>)\s*:?[\"']?(\w+)")
_LOCKED = re.compile(r"^RUBY VERSION\n[ ]+ruby (\d+(?:\.\d+)*)", re.MULTILINE)
_TOOL = re.compile(r"^ruby[ \t]+(\S+)", re.MULTILINE)
_PLAIN = re.compile(r"(?:ruby-)?(\d+(?:\.\d+)*)(?:-?p\d+)?")
_REQUIREMENT = re.compile(r"(=|!=|>=?|<=?|~>)?\s*(\d+(?:\.\d+)*)")


class RubyError(ValueError):
    """The Ruby that the app asks for cannot be had; the message has the list of what can."""


@dataclass(frozen=True)
class Asked:
    """The requirements of an app, such as `~> 3.1`, the file that has them, and whether Bundler insists on them."""

    requirements: tuple[str, ...]
    where: str
    strict: bool


@dataclass(frozen=True)
class Choice:
    """The package of a Ruby and its version; `warning` is for the pusher when it is not quite what was asked for."""

    package: str
    version: str
    warning: str = ""


def asked(files: Mapping[str, str]) -> Asked | None:
    """What the app asks for, from the texts of its files: Gemfile, Gemfile.lock, .ruby-version, .tool-versions.

    Raises RubyError for what cannot be understood.
    """
    if found := _DIRECTIVE.search(files.get("Gemfile", "")):
        quoted = re.sub(r"(,\s*)?:?\w+(:|\s*=>)\s*[\"'][^\"']*[\"']", "", found["arguments"])
        if (engine := _ENGINE.search(found["arguments"])) and engine[1] != "ruby":
            raise RubyError(_only_mri(engine[1], "Gemfile"))
        texts = tuple(re.findall(r"[\"']([^\"']+)[\"']", quoted))
        if texts:
            return Asked(tuple(_checked(text, "Gemfile") for text in texts), "Gemfile", True)
    if found := _LOCKED.search(files.get("Gemfile.lock", "")):
        return Asked((found[1],), "Gemfile.lock", False)
    if text := files.get(".ruby-version", "").strip():
        return Asked((_plain(text, ".ruby-version"),), ".ruby-version", False)
    if found := _TOOL.search(files.get(".tool-versions", "")):
        return Asked((_plain(found[1], ".tool-versions"),), ".tool-versions", False)
    return None


def choose(wanted: Asked | None, available: Sequence[tuple[str, str]]) -> Choice:
    """The newest of the packages (name, Debian version) that an app can run on. Raises RubyError."""
    newest = sorted(
        (Choice(name, upstream(version)) for name, version in available), key=lambda choice: numbers(choice.version)
    )[::-1]
    if not newest:
        raise RubyError("The stack's package sources have no Ruby.")
    if wanted is None:
        return newest[0]
    for choice in newest:
        if all(satisfies(numbers(choice.version), requirement) for requirement in wanted.requirements):
            return choice
    series = numbers(_REQUIREMENT.findall(wanted.requirements[0])[0][1])[:2]
    text = ", ".join(wanted.requirements)
    for choice in newest:
        if not wanted.strict and numbers(choice.version)[:2] == series:
            said = f"{wanted.where} asks for Ruby {text}; Debian has Ruby {choice.version}, which is used instead."
            return Choice(choice.package, choice.version, said)
    had = ", ".join(choice.version for choice in newest)
    raise RubyError(
        f"{wanted.where} asks for Ruby {text}, which cannot be had. Of this stack's Debian can be had: {had}."
    )


def satisfies(version: Version, requirement: str) -> bool:
    """Whether a version meets a requirement of RubyGems': `3.1.2`, `>= 3.0`, `~> 3.1`."""
    found = _REQUIREMENT.fullmatch(requirement.strip())
    if found is None:
        return False
    wanted = numbers(found[2])
    return _OPERATORS[found[1] or "="](_cut(version), _cut(wanted)) and (
        found[1] != "~>" or version[: max(1, len(wanted) - 1)] == wanted[: max(1, len(wanted) - 1)]
    )


def upstream(version: str) -> str:
    """Ruby's own version in a Debian version: 3.1.2 of 3.1.2-7+deb12u1."""
    return re.sub(r"^\d+:", "", version).partition("-")[0].partition("~")[0]


def numbers(version: str) -> Version:
    """A version as a tuple that sorts as versions do."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


# Helpers


_OPERATORS: dict[str, Callable[[Version, Version], bool]] = {
    "=": lambda version, wanted: version == wanted,
    "!=": lambda version, wanted: version != wanted,
    ">": lambda version, wanted: version > wanted,
    ">=": lambda version, wanted: version >= wanted,
    "<": lambda version, wanted: version < wanted,
    "<=": lambda version, wanted: version <= wanted,
    "~>": lambda version, wanted: version >= wanted,
}


def _cut(version: Version) -> Version:
    """Without zeros at the end, so that 3.1 and 3.1.0 are the same."""
    while version and version[-1] == 0:
        version = version[:-1]
    return version


def _checked(text: str, where: str) -> str:
    if not _REQUIREMENT.fullmatch(text.strip()):
        raise RubyError(f'{where} asks for Ruby "{text}", which is not a version.')
    return text.strip()


def _plain(text: str, where: str) -> str:
    found = _PLAIN.fullmatch(text)
    if not found:
        raise RubyError(_only_mri(text, where))
    return found[1]


def _only_mri(text: str, where: str) -> str:
    return f'{where} asks for "{text}", but only MRI, Ruby\'s own implementation, can be had.'
