"""Config vars of an app, as bin/compile gets them: a directory with one file each."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WITHHELD = re.compile(
    r"PATH|HOME|USER|IFS|TMPDIR|BASH_ENV|ENV|STACK(_TITLE)?|REQUEST_ID|SOURCE_VERSION|DYNO|PORT|(BUILD|CACHE|ENV)_DIR"
    r"|BUILDPACK_LIB|GIT_DIR|CPATH|LIBRARY_PATH|LD_.*|PYTHON(HOME|PATH)"
)
"""Config vars that tools of a build do not get, because they would break them."""


def config_vars(folder: Path) -> dict[str, str]:
    """The config vars in ENV that tools may see; {} where there is no such directory."""
    if not folder.is_dir():
        return {}
    return {
        file.name: file.read_text(errors="replace")
        for file in sorted(folder.iterdir())
        if file.is_file() and _NAME.fullmatch(file.name) and not _WITHHELD.fullmatch(file.name)
    }


def is_set(variables: Mapping[str, str], name: str) -> bool:
    """True if a switch is on: set, and neither empty, 0 nor false."""
    return variables.get(name, "").strip().lower() not in ("", "0", "false", "no")


def environment(config: Mapping[str, str], defaults: Mapping[str, str] = {}) -> dict[str, str]:
    """The environment of a buildpack's tools: config vars over the build's own, both over `defaults`."""
    return {**defaults, **os.environ, **config}
