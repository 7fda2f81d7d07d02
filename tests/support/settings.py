"""Other settings of the platform for a while."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.platform import Platform

FILE = "/etc/hostd/hostd.toml"


@contextmanager
def settings(platform: Platform, **changes: int | bool | str) -> Iterator[None]:
    """hostd is restarted to read them, and again to read those that it had."""
    before = changed = platform.run(["cat", FILE]).stdout
    for key, value in changes.items():
        # Of such values JSON and TOML are the same.
        changed = re.sub(rf"(?m)^{key} = .*", f"{key} = {json.dumps(value)}", changed)
    try:
        _use(platform, changed)
        yield
    finally:
        _use(platform, before)


def _use(platform: Platform, text: str) -> None:
    platform.run(["tee", FILE], input=text)
    # systemctl returns when hostd is ready.
    platform.run(["systemctl", "restart", "hostd.service"])
