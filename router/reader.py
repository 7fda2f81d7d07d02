"""Reader: takes in one table after the other while requests go on: in pieces, and only what has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from router.pace import Pace
from router.table import App, Hosts, Table, TableError, read_app


class Reader:
    """Reads tables as `Table.to_json` writes them, an app a line: one whose line is known is not read again.

    It reads any other table too, in one go. `pace` says how long a piece takes.
    """

    def __init__(self, pace: Callable[[], Pace] = Pace) -> None:
        self.fresh = 0
        """How many apps of the last table were not known."""
        self._known: Mapping[bytes, App] = {}
        self._pace = pace

    async def read(self, document: bytes) -> Table:
        """The table; raises TableError naming the first thing that is wrong."""
        lines = document.split(b"\n")
        if len(lines) < 3 or lines[-2:] != [b"]}", b""]:
            return Table.parse(document)
        try:
            head = json.loads(lines[0] + b"]}")
            if not isinstance(head, dict) or head.get("apps") != []:
                return Table.parse(document)
            apps, hosts = await self._apps(lines[1:-2])
            table = Table.of(head, tuple(apps.values()), hosts)
        except (ValueError, RecursionError):
            # Lines that are not an app each, or something wrong: this says what it is of the whole.
            return Table.parse(document)
        self._known = apps
        return table

    async def _apps(self, lines: Sequence[bytes]) -> tuple[dict[bytes, App], Hosts]:
        apps: dict[bytes, App] = {}
        hosts, pace = Hosts(), self._pace()
        self.fresh = 0
        for ended in lines:
            line = ended.removesuffix(b",")
            if line in apps:
                raise TableError("an app appears twice")
            app = self._known.get(line)
            if app is None:
                app, self.fresh = read_app(json.loads(line)), self.fresh + 1
            apps[line] = app
            hosts.add(app)
            await pace.turn()
        return apps, hosts
