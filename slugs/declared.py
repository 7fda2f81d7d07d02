"""What an app declares in files at the top of its tree, which are read after the build and never trusted."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from buildpacks.procfile import MAX_BYTES, ProcfileError

_PATH = re.compile(r"/[!-~]{0,1023}")
_CHECKED = "web"
"""The process type that answers requests."""


class AppJsonError(ValueError):
    """An app.json that cannot be read, or has a health check that cannot be asked; the text says why."""


def read_procfile(tree: Path) -> bytes:
    """The Procfile of a tree that the app made, empty when there is none.

    Raises ProcfileError for what is no ordinary file of a sensible size.
    """
    try:
        return _read(tree, "Procfile", MAX_BYTES)
    except OSError as error:
        raise ProcfileError(0, f"{error.strerror}. Commit the file itself") from error


def read_app_json(tree: Path) -> bytes:
    """The app.json of a tree that the app made, empty when there is none. Raises AppJsonError."""
    try:
        return _read(tree, "app.json", MAX_BYTES)
    except OSError as error:
        raise AppJsonError(error.strerror) from error


def healthchecks(content: bytes) -> dict[str, str]:
    """The path that a process type must answer, from `"healthchecks": {"web": [{"path": "/health"}]}`.

    The form is Dokku's, of which the first check with a path counts. Raises AppJsonError.
    """
    if not content.strip():
        return {}
    if len(content) > MAX_BYTES:
        raise AppJsonError(f"larger than {MAX_BYTES // 1024} KB")
    try:
        described: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise AppJsonError(f"no JSON: {error}") from error
    checks = described.get("healthchecks") if isinstance(described, dict) else None
    listed = checks.get(_CHECKED) if isinstance(checks, dict) else None
    if listed is None:
        return {}
    entries = listed if isinstance(listed, list) else [listed]
    path = next((entry["path"] for entry in entries if isinstance(entry, dict) and "path" in entry), None)
    if path is None:
        return {}
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise AppJsonError('the "path" of a health check must begin with / and have no blanks')
    return {_CHECKED: path}


def _read(tree: Path, name: str, most: int) -> bytes:
    """A file at the top of a tree that the app made, at most one byte more than *most*; empty when there is none.

    Never follows a link. Raises OSError, with words for people, for what is no ordinary file.
    """
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return b""
    except OSError as error:
        what = "a link" if error.errno == errno.ELOOP else os.strerror(error.errno or 0)
        raise OSError(error.errno, f"must be an ordinary file, and is {what}") from error
    finally:
        os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "must be an ordinary file, and is a folder or a device")
        return os.read(file, most + 1)
    finally:
        os.close(file)
