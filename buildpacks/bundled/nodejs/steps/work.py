"""One build, as its steps see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packkit.commands import CommandError, run
from packkit.say import BuildError

from .managers import Manager, explain
from .package import Package
from .runtime import Runtime


@dataclass(frozen=True)
class Work:
    """The app's directory and its package.json, this buildpack's part of the cache, the tools and their environment."""

    build: Path
    cache: Path
    package: Package
    manager: Manager
    runtime: Runtime
    env: Mapping[str, str]

    def run(self, argv: Sequence[str], what: str, env: Mapping[str, str] | None = None) -> None:
        """Runs a command in the app's directory; `what` begins the message of the BuildError for its failure."""
        try:
            run(argv, env=self.env if env is None else env, cwd=self.build)
        except CommandError as error:
            raise BuildError(
                f"{what} failed: `{' '.join(argv)}` ended with status {error.status}, see above.",
                *explain(error.output, self.manager),
            ) from error
