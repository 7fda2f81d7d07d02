"""An app's dynos as `ps` shows them, and waiting until they are as they should be."""

from __future__ import annotations

import json
from typing import Any

from tests.support.platform import Platform
from tests.support.waiting import wait_until

SECONDS = 60.0


def dynos(platform: Platform, app: str) -> list[dict[str, Any]]:
    """What `ps --json` says of the app."""
    found: list[dict[str, Any]] = json.loads(platform.hostctl("ps", "-a", app, "--json").stdout)
    return found


def current(platform: Platform, app: str) -> int:
    """The number of the app's current release."""
    found = json.loads(platform.hostctl("releases", "-a", app, "-n", "1", "--json").stdout)
    return int(found[0]["version"])


def wait_for_formation(platform: Platform, app: str, **quantities: int) -> None:
    """Wait until the app's dynos are exactly these, all up and of the current release."""
    wanted = sorted(f"{type_}.{n + 1}" for type_, quantity in quantities.items() for n in range(quantity))

    def there() -> bool:
        found, version = dynos(platform, app), current(platform, app)
        shown = sorted((dyno["name"], dyno["state"], dyno["release"]["version"]) for dyno in found)
        assert shown == [(name, "up", version) for name in wanted], shown
        return True

    wait_until(there, SECONDS)


def scale(platform: Platform, app: str, **quantities: int) -> None:
    """Scale the app's process types and wait until it is done."""
    words = (f"{type_}={quantity}" for type_, quantity in quantities.items())
    platform.hostctl("ps:scale", "-a", app, *words)
    wait_for_formation(platform, app, **quantities)
