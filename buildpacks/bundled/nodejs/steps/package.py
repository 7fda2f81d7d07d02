"""What package.json says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packkit.say import BuildError

LIFECYCLE = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
"""Scripts of the app itself that its package manager runs when it installs."""

_MANAGER = re.compile(r"(npm|yarn|pnpm)@v?(\d+(?:\.\d+)*(?:-[\w.]+)?)")
_RANGE = re.compile(r"[\w.*^~<>=| +-]{1,100}")


@dataclass(frozen=True)
class Package:
    """`manager` is what packageManager names: npm, yarn or pnpm, and its version; `needy` that it has dependencies."""

    engines: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    manager: tuple[str, str] | None = None
    workspaces: bool = False
    main: str = ""
    needy: bool = False

    def engine(self, name: str) -> str:
        """The range that the app asks for, "" for none; raises BuildError for what is no range."""
        text = self.engines.get(name, "").strip()
        if text and not _RANGE.fullmatch(text):
            raise BuildError(
                f"engines.{name} in package.json is {text[:60]!r}, which is not a range of versions.",
                'Write one such as "24.x" there.',
            )
        return text


def read(app: Path) -> Package:
    """The app's package.json; raises BuildError where it is malformed."""
    try:
        content = json.loads((app / "package.json").read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise BuildError(f"package.json cannot be read: {error}.", "Correct it, commit, and push again.") from error
    if not isinstance(content, dict):
        raise BuildError("package.json must hold one object, { ... }.", "`npm init` makes one.")
    manager = _MANAGER.match(str(content.get("packageManager", "")))
    return Package(
        engines=_texts(content.get("engines")),
        scripts=_texts(content.get("scripts")),
        manager=(manager[1], manager[2]) if manager else None,
        workspaces=bool(content.get("workspaces")),
        main=content["main"] if isinstance(content.get("main"), str) else "",
        needy=any(content.get(name) for name in ("dependencies", "devDependencies", "optionalDependencies")),
    )


def default_web(app: Path, package: Package) -> str | None:
    """The command of the web process where there is no Procfile that says: start script, server.js, main."""
    if "start" in package.scripts:
        # With Plug'n'Play only Yarn itself can start what it installed.
        return "yarn start" if (app / ".pnp.cjs").exists() else "npm start"
    for name in filter(None, ("server.js", package.main)):
        if (app / name).is_file() and app.resolve() in (app / name).resolve().parents:
            return f"node {shlex.quote(name)}"
    return None


def _texts(value: Any) -> dict[str, str]:
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
