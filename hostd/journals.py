"""Where lines are kept: one journal namespace for each app, so that no app can push out or slow another's lines.

The platform's own lines, which are of no app, are in the namespace `hostd`.
"""

from __future__ import annotations

from pathlib import Path

PLATFORM = "hostd"
"""The namespace of what is of no app."""
_PREFIX = f"{PLATFORM}-"


def namespace(app_id: str) -> str:
    """The name of an app's journal namespace; of no app (`""`) the platform's. It outlives the app's name."""
    return f"{_PREFIX}{app_id}" if app_id else PLATFORM


def app_of(name: str) -> str | None:
    """The id of the app whose namespace this is; None for any other namespace."""
    return name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else None


def machine_id(path: Path = Path("/etc/machine-id")) -> str:
    """What the folders of this machine's journals are called by (machine-id(5))."""
    return path.read_text(encoding="ascii").strip()


def journal_directory(app_id: str, machine: str, root: Path = Path("/var/log/journal")) -> Path:
    """Where the files of an app's journal lie (systemd-journald.service(8), Journal Namespaces)."""
    return root / f"{machine}.{namespace(app_id)}"
