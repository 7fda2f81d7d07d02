"""Where lines are kept: one journal namespace for each app, so that no app can push out or slow another's lines.

The platform's own lines, which are of no app, are in the namespace `hostd`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from units.errors import SystemdError
from units.journal import JournalUnavailable
from units.journald import Contents, Limits, config_path, config_text, contents, rotate, service, sockets
from units.run import CommandError, arun

log = logging.getLogger(__name__)

PLATFORM = "hostd"
"""The namespace of what is of no app."""
_PREFIX = f"{PLATFORM}-"
TARGETS = "hostd-journal@*.target"
"""The units that keep the sockets of apps' journals, as a shell pattern."""
_LOOK_AGAIN_SECONDS = 30.0
_AT_ONCE = 20
_SECONDS = 60.0


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


class Units(Protocol):
    """What is needed of `units.systemd.Systemd`."""

    def list_units(self, patterns: Sequence[str]) -> Sequence[Unit]:
        """The loaded units whose name matches one of the patterns."""


class Unit(Protocol):
    """What is needed of `units.systemd.UnitStatus`."""

    @property
    def name(self) -> str:
        """The unit's name."""

    @property
    def active(self) -> str:
        """`active`, `failed`, `inactive`, ..."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things of journald lie: its settings, and the files of journals."""

    etc: Path = Path("/etc/systemd")
    journals: Path = Path("/var/log/journal")
    machine: Path = Path("/etc/machine-id")

    def config(self, app_id: str) -> Path:
        """The limits of an app's journal."""
        return config_path(namespace(app_id), self.etc)

    def files(self, app_id: str) -> Path:
        """The files of an app's journal."""
        return journal_directory(app_id, machine_id(self.machine), self.journals)


class Journals:
    """Sees to it that each app has a journal that takes its lines, with its limits, and a destroyed one none.

    An app's target (`hostd-journal@<id>.target`) keeps the sockets of its journald, which start it when something is
    written. `limits` tells what an app's journal may take, `app_ids` which apps there are; `forget` is called with an
    app that has none any more.
    """

    def __init__(
        self,
        systemd: Units,
        *,
        limits: Callable[[str], Limits],
        app_ids: Callable[[], Iterable[str]],
        forget: Callable[[str], None] = lambda app_id: None,
        places: Places | None = None,
    ) -> None:
        self._systemd = systemd
        self._limits = limits
        self._app_ids = app_ids
        self._forget = forget
        self._stale: set[str] = set()
        """Apps whose limits have changed since their journald read them."""
        self._gone: set[str] = set()
        self._working = asyncio.Lock()
        self._places = places or Places()

    def prepare(self) -> None:
        """Write down the limits of all apps' journals: called before a dyno starts, whose unit needs its journald."""
        try:
            for app_id in self._app_ids():
                self._write_config(app_id)
        except OSError as error:
            log.warning("limits of apps' journals cannot be written, which is tried again: %s", error)

    async def ensure(self, app_ids: Iterable[str] | None = None) -> None:
        """Have these apps' journals take lines, or all apps': what they have already costs next to nothing.

        What cannot be done is logged, and tried again within half a minute; until then lines wait with their writers.
        """
        try:
            wanted = list(self._app_ids() if app_ids is None else app_ids)
            for app_id in wanted:
                self._write_config(app_id)
            there = {unit.name for unit in self._systemd.list_units([TARGETS]) if unit.active == "active"}
            # Those that begin read their limits by themselves.
            stale = [app_id for app_id in wanted if app_id in self._stale and target(app_id) in there]
            await self._for_each("try-restart", stale, lambda app_id: service(namespace(app_id)))
            missing = [app_id for app_id in wanted if target(app_id) not in there]
            await self._for_each("start", missing, target)
            self._stale -= set(wanted)
        except (OSError, CommandError, SystemdError) as error:
            log.warning("journals of apps are not ready, which is tried again: %s", error)

    async def keep(self) -> None:
        """Look now and every half minute whether all apps have theirs; until cancelled."""
        while True:
            await self.ensure()
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def limit(self, app_id: str) -> None:
        """Put an app's limits in force: what is beyond them is deleted before this returns, as far as it can be."""
        await self.ensure([app_id])
        try:
            await rotate(namespace(app_id))
        except JournalUnavailable as error:
            log.warning("the journal of an app keeps what it has until it is full: %s", error)

    async def contents(self, app_id: str) -> Contents:
        """What is in an app's journal now. Raises JournalUnavailable when it cannot be read."""
        try:
            return await asyncio.to_thread(contents, self._places.files(app_id))
        except OSError as error:
            raise JournalUnavailable(f"the journal {namespace(app_id)} cannot be read: {error}") from error

    async def remove(self, app_id: str) -> None:
        """Stop the journald of a destroyed app and delete its lines and limits. Raises CommandError, OSError.

        Nothing may write in its name any more: that would start it anew.
        """
        self._gone.add(app_id)
        self._forget(app_id)
        config, files = self._places.config(app_id), self._places.files(app_id)
        if not config.exists() and not files.exists():
            return
        name = namespace(app_id)
        async with self._working:
            await _systemctl("stop", target(app_id), *sockets(name), service(name))
            # By systemd, which made these directories; hostd itself may not write there.
            await _systemctl("clean", "--what=runtime", "--what=logs", service(name))
            await _systemctl("reset-failed", service(name), *sockets(name), check=False)
        config.unlink(missing_ok=True)

    async def _for_each(self, verb: str, app_ids: Sequence[str], unit: Callable[[str], str]) -> None:
        # A few at a time: after a boot systemd has dynos to start in between, and an app may be destroyed.
        for first in range(0, len(app_ids), _AT_ONCE):
            async with self._working:
                few = [unit(app_id) for app_id in app_ids[first : first + _AT_ONCE] if app_id not in self._gone]
                if few:
                    await _systemctl(verb, *few)

    def _write_config(self, app_id: str) -> None:
        if app_id in self._gone:
            return
        why = f"The journal of the app {app_id}, written by hostd. To change it: hostctl logs:set"
        path, text = self._places.config(app_id), config_text(self._limits(app_id), why)
        try:
            if path.read_text(encoding="utf-8") == text:
                return
        except FileNotFoundError:
            pass
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.rename(path)
        self._stale.add(app_id)


def target(app_id: str) -> str:
    """The unit that keeps the sockets of an app's journald."""
    return f"hostd-journal@{app_id}.target"


async def _systemctl(verb: str, *words: str, check: bool = True) -> None:
    # With this in its environment it would report to systemd in hostd's name.
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    await arun(["systemctl", verb, *words], env=environment, timeout=_SECONDS, check=check)
