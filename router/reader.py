"""Reader: takes in one table after the other while requests go on: in pieces, and only what has changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from router.table import App, Table, TableError, read_app

_PIECE = 50
"""Apps that are read in one go."""


class Reader:
    """Reads tables as `Table.to_json` writes them, an app a line: one whose line is known is not read again.

    It reads any other table too, in one go.
    """

    def __init__(self) -> None:
        self._known: Mapping[bytes, App] = {}

    async def read(self, document: bytes) -> Table:
        """The table; raises TableError naming the first thing that is wrong."""
        lines = document.split(b"\n")
        if len(lines) < 3 or lines[-2:] != [b"]}", b""]:
            return Table.parse(document)
        try:
            head = json.loads(lines[0] + b"]}")
            apps = await self._apps([line.removesuffix(b",") for line in lines[1:-2]])
            if not isinstance(head, dict) or head.get("apps") != []:
                return Table.parse(document)
        except (ValueError, TableError):
            # Lines that are not an app each, or something wrong: this says what it is of the whole.
            return Table.parse(document)
        # Two pieces more: the index of all hosts, and the caller's swap.
        await asyncio.sleep(0)
        table = Table.of(head, tuple(apps.values()))
        await asyncio.sleep(0)
        self._known = apps
        return table

    async def _apps(self, lines: list[bytes]) -> dict[bytes, App]:
        apps: dict[bytes, App] = {}
        fresh = 0
        for line in lines:
            app = self._known.get(line)
            if app is None:
                app, fresh = read_app(json.loads(line)), fresh + 1
                if fresh % _PIECE == 0:
                    await asyncio.sleep(0)
            if line in apps:
                raise TableError("an app appears twice")
            apps[line] = app
        return apps
