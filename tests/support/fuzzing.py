"""Requests made up from /openapi.json by schemathesis, for several callers by turns: no answer is a fault of hostd's,
each has a documented status, and is as the schema promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hostd.api.schema import links

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SECONDS = float(os.environ.get("HOSTD_TEST_FUZZ_SECONDS", "0"))
"""For how long to go on making requests up, beyond those of every run, which are always the same."""
HOOKS = "tests.support.fuzz_hooks"
PROJECT = str(Path(__file__).parents[2])
_SHOWN = 20_000


@dataclass(frozen=True)
class Scene:
    """Where is asked, and who asks by turns, with which tokens (None for none).

    `app` is the app of the `owner` that is made anew when it is gone, and `viewer` the address of who may see it; empty
    if somebody else sees to that. `named` are the parameters of paths, for what there is. The paths of `without` are
    not asked for.
    """

    address: str
    tokens: Mapping[str, str | None]
    turns: Sequence[str]
    named: Mapping[str, str]
    app: str = ""
    viewer: str = ""
    without: Sequence[str] = ()


@dataclass
class Asked:
    """How often each call was answered to each caller with which status."""

    times: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def never(self, but: Sequence[str] = ("/openapi.json",)) -> set[str]:
        """The public calls that nobody asked, but for these paths; /openapi.json does not tell of itself."""
        asked = {call for call, _role, _status in self.times}
        return {link.call for link in links() if link.public and link.path not in but} - asked

    def done(self) -> set[str]:
        """The calls that did for somebody what they are for."""
        return {call for call, _role, status in self.times if status < 300}

    def statuses(self, role: str) -> set[int]:
        """How a caller was answered."""
        return {status for _call, who, status in self.times if who == role}


def fuzz(folder: Path, scene: Scene, *, phases: str, seed: int, examples: int = 1) -> Asked:
    """Make requests up and ask, always the same for a seed; fails with what schemathesis found.

    `phases` are those of schemathesis: `examples,coverage` are the schema's own examples and the bounds of each value,
    `fuzzing` is so many `examples` by chance.
    """
    folder.mkdir()
    (folder / "scene.json").write_text(json.dumps(scene.__dict__))
    named = [f'"path.{name}" = "{value}"' for name, value in scene.named.items()]
    (folder / "schemathesis.toml").write_text(
        # Of the methods that a path does not have one is enough.
        "\n".join(["[parameters]", *named, "[phases.coverage]", 'unexpected-methods = ["PUT"]', ""])
    )
    words = ("run", f"{scene.address}/openapi.json", "--checks", CHECKS, "--phases", phases, "--seed", str(seed),
             "--max-examples", str(examples), "--generation-database", "none", "--no-shrink", "--request-timeout", "60",
             "--warnings", "off", "--suppress-health-check", "all", "--continue-on-failure",
             *(word for path in scene.without for word in ("--exclude-path", path)))  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": PROJECT, "SCHEMATHESIS_HOOKS": HOOKS, "HOSTD_FUZZ": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-_SHOWN:]
    rows = json.loads((folder / "asked.json").read_text())
    return Asked(Counter({(call, role, status): times for call, role, status, times in rows}))
