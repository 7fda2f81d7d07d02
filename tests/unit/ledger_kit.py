"""What the tests of the ledger share: a ledger with a clock that the test moves."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hostd.ledger import App, Ledger, Slug
from hostd.ledger.ledger import DATABASE_FILE, KEY_FILE

START = datetime(2026, 1, 27, 10, 48, 8, 123456, tzinfo=UTC)


class Clock:
    """Stands still; each reading is one second after the one before."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def make_ledger(directory: Path) -> Ledger:
    """The ledger in `directory`; if there is none, it is made as hostd makes it."""
    return Ledger.open(directory, clock=Clock())


def open_ledger(directory: Path) -> Ledger:
    """The same, sooner: if there is none, it is a copy of one that was made before. All these have one key."""
    return make_ledger(with_ledger(directory))


def with_ledger(directory: Path, people: tuple[tuple[str, bool], ...] = ()) -> Path:
    """A directory with the files of a ledger, unless it has one: of these users, with whether they are admins."""
    if not (directory / DATABASE_FILE).exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in _new_ledger(people).items():
            (directory / name).touch(mode=0o600)
            (directory / name).write_bytes(content)
    return directory


@functools.cache
def _new_ledger(people: tuple[tuple[str, bool], ...]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger.open(Path(directory)) if people else make_ledger(Path(directory))
        for email, admin in people:
            ledger.users.add(email, admin=admin)
        ledger.close()
        return {name: (Path(directory) / name).read_bytes() for name in (DATABASE_FILE, KEY_FILE)}


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
