"""The page docs/settings.md, printed from the settings themselves."""

from __future__ import annotations

import dataclasses
from typing import Any

from hostd.settings import DEFAULT_PATH, KINDS, Settings, toml


def to_markdown() -> str:
    """docs/settings.md: every setting with its type, default and explanation."""
    rows = [
        f"| `{field.name}` | {KINDS[str(field.type)]} | {_default(field)} | {field.metadata['help']} |"
        for field in dataclasses.fields(Settings)
    ]
    return _DOCUMENT.format(path=DEFAULT_PATH, rows="\n".join(rows))


_DOCUMENT = """\
# Settings

`{path}` is written by `install.sh` and read when hostd starts. After a change run `./install.sh` again:
it writes units and ssh configuration anew and restarts what must be, while dynos run on. The file is TOML, holds no
secret, and each setting may be left out. The variable `HOSTD_CONFIG` names another file; `HOSTD_RUN_DIR` overrides
`run_dir`. Times are in seconds.

| setting | type | default | what it is |
|---|---|---|---|
{rows}

This page is printed by `python -m hostd.settings_page`.
"""


def _default(field: dataclasses.Field[Any]) -> str:
    if field.name == "router_workers":
        return "`2`, or `1` on one core"
    return f"`{toml(field.default)}`"


if __name__ == "__main__":
    print(to_markdown(), end="")
