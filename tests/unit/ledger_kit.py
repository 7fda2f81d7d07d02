"""What the tests of the ledger share: a ledger with a clock that the test moves."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hostd.ledger import App, Ledger, Slug

START = datetime(2026, 1, 27, 10, 48, 8, 123456, tzinfo=UTC)


class Clock:
    """Stands still; each reading is one second after the one before."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def open_ledger(directory: Path) -> Ledger:
    """A ledger in `directory`."""
    return Ledger.open(directory, clock=Clock())


def add_slug(ledger: Ledger, app: App, commit: str = "20a5742") -> Slug:
    """A slug of the app with a web and a worker type."""
    return ledger.slugs.add(
        app.id,
        commit=commit,
        size_bytes=1000,
        process_types={"web": "python web.py", "worker": "python worker.py"},
        buildpack="python",
        stack="host",
        digest="d1",
    )


def keygen(directory: Path, *options: str) -> str:
    """The public line of a new key made by ssh-keygen."""
    path = directory / f"key{len(list(directory.iterdir()))}"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "kate@laptop", "-f", str(path), *options], check=True)
    return path.with_suffix(".pub").read_text()


def fingerprint_of(directory: Path, public: str) -> str:
    """What ssh-keygen -l says of a public line."""
    path = directory / "shown.pub"
    path.write_text(public)
    done = subprocess.run(["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True)
    return done.stdout.split()[1]
