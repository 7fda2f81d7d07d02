"""What the logplex has said in apps' logs (L10, L14) and to those who read them (L11, L15), for hostd's metrics."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from typing import Any

_CODE = re.compile(r"Error (L[0-9]{2}) \(")


class Counts:
    """Counts from the start of this process, which has an id of its own."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(8)
        self._said: Counter[tuple[str, str]] = Counter()

    def hear(self, app_id: str, text: str) -> None:
        """A line that was said in an app's log, or to one who reads it."""
        if found := _CODE.match(text):
            self._said[app_id, found[1]] += 1

    def document(self) -> dict[str, Any]:
        """All of them: `{"run": "...", "apps": {"<id>": {"L10": 3}}}`."""
        apps: dict[str, dict[str, int]] = {}
        for (app_id, code), count in self._said.items():
            apps.setdefault(app_id, {})[code] = count
        return {"run": self._run, "apps": apps}
