"""Reads what `runner/build` says about a build. It comes from untrusted code, so any bytes give some report."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

from buildpacks.release import Release, parse

MAX_BYTES = 1024 * 1024

_LONGEST = 300
_LONGEST_REASON = 2000
_LONGEST_METADATA = 64 * 1024
_MOST = 100


@dataclass(frozen=True)
class UsedBuildpack:
    """A buildpack that compiled: its name or URL (credentials masked), the `#ref` that was asked for, the commit
    or digest that this was, and what its `bin/detect` called the app. Bundled ones have neither ref nor commit."""

    name: str
    ref: str = ""
    commit: str = ""
    language: str = ""


@dataclass(frozen=True)
class Report:
    """What the runner says about a build.

    `failed` is None for a finished build, else the step: source, fetch, buildpack, detect, incompatible or compile,
    with the exit `status` of a buildpack's script and a `reason` where the runner knows one; the empty text for a
    build that ended without a word. `commit` is that of a source which is a repository. `metadata` is what each
    buildpack's bin/report printed. `app_json` is the app.json of a source that was only to be taken in, if it has one.
    """

    used: tuple[UsedBuildpack, ...] = ()
    release: Release = field(default_factory=Release)
    failed: str | None = ""
    status: int = 0
    reason: str = ""
    commit: str = ""
    metadata: str = ""
    app_json: bytes | None = None

    @property
    def last(self) -> UsedBuildpack:
        """The last buildpack that compiled, or tried to."""
        return self.used[-1] if self.used else UsedBuildpack("")


def read(content: bytes | bytearray) -> Report:
    """The runner's report."""
    pairs = [line.partition(" ") for line in content.decode(errors="replace").splitlines()]
    said = {key: value for key, _, value in pairs}
    failed, _, status = said["failed"].partition(" ") if "failed" in said else ("", "", "")
    used = tuple(_used(value) for key, _, value in pairs[:_MOST] if key == "used")
    return Report(
        used=used,
        release=_merged((value for key, _, value in pairs if key == "release"), len(used) - 1),
        failed=None if "done" in said and not failed else failed,
        status=int(status) if status.isascii() and status.isdecimal() else 0,
        reason=_text(said.get("reason", ""), _LONGEST_REASON),
        commit=_printable(said.get("commit", "")),
        metadata=_joined(_text(value, _LONGEST_METADATA) for key, _, value in pairs if key == "metadata"),
        app_json=_decoded(said["app_json"]) if "app_json" in said else None,
    )


def _used(value: str) -> UsedBuildpack:
    name, ref, commit, language = (_printable(part) for part in (value.split(" ", 3) + [""] * 4)[:4])
    return UsedBuildpack(name, "" if ref == "-" else ref, "" if commit == "-" else commit, language)


def _merged(values: Iterable[str], last: int) -> Release:
    """What all buildpacks suggest, later ones before earlier ones; process types come from the last one alone, as on
    Heroku."""
    types: dict[str, str] = {}
    config_vars: dict[str, str] = {}
    addons: list[str] = []
    for value in values:
        number, _, encoded = value.partition(" ")
        release = parse(_decoded(encoded))
        if number == str(last):
            types = release.default_process_types
        config_vars |= release.config_vars
        addons += [addon for addon in release.addons if addon not in addons]
    return Release(types, config_vars, addons)


def _joined(documents: Iterable[str]) -> str:
    return "\n".join(filter(None, documents))[:_LONGEST_METADATA]


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _text(encoded: str, longest: int) -> str:
    """Lines that somebody else wrote, with nothing in them that a terminal obeys."""
    lines = _decoded(encoded).decode(errors="replace")[:longest].splitlines()
    return "\n".join("".join(character for character in line if character.isprintable()) for line in lines)


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:_LONGEST]
