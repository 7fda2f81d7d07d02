"""Apps of tests: made, pushed to, changed and asked; whatever comes of the test, they are destroyed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import runtime_files
from tests.support.formation import scale
from tests.support.platform import Answer, Platform
from tests.support.waiting import wait_until

Files = Mapping[str, str | bytes] | Path
BACK_SECONDS = 60.0


@contextmanager
def made(platform: Platform, *names: str) -> Iterator[None]:
    """Empty apps of these names."""
    with ExitStack() as stack:
        for name in names:
            platform.hostctl("apps:create", name)
            # Of a run that was broken off, what is refused here must not hide what had failed before.
            stack.callback(platform.hostctl, "apps:destroy", "-a", name, "--confirm", name, check=False)
        yield


@contextmanager
def deployed(
    platform: Platform, name: str, directory: Path, *contents: Files, config: Mapping[str, str] | None = None
) -> Iterator[Deployed]:
    """An app with these config vars, pushed once from a repository in `directory`, where each content is committed."""
    with made(platform, name):
        if config:
            platform.hostctl("config:set", "-a", name, *(f"{key}={value}" for key, value in config.items()))
        for content in contents:
            platform.commit(content, directory)
        yield Deployed(platform, name, directory, platform.push(directory, name).stderr)


def module_app(name: str, *contents: Files, config: Mapping[str, str] | None = None) -> Any:
    """A fixture of a module: the app that all its tests share, `deployed` for the first of them."""

    @pytest.fixture(scope="module")
    def shared(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
        with deployed(platform, name, tmp_path_factory.mktemp(name) / "app", *contents, config=config) as app:
            yield app

    return shared


@dataclass(frozen=True)
class Deployed:
    """An app, the repository that it is pushed from, and what its first push said."""

    platform: Platform
    name: str
    directory: Path
    pushed: str

    def get(self, path: str = "/", **how: Any) -> Answer:
        """Ask the app, by way of the router."""
        return self.platform.http_get(self.name, path, **how)

    def hostctl(self, command: str, *words: str) -> str:
        """Run a hostctl command on the app; what it printed."""
        return self.platform.hostctl(command, "-a", self.name, *words).stdout

    def scale(self, **quantities: int) -> None:
        """Scale the app's process types and wait until it is done."""
        scale(self.platform, self.name, **quantities)

    def push(self, files: Files, directory: Path | None = None) -> str:
        """Commit and push files: onto what was pushed before, or what is in another repository instead of all that."""
        repository = self.platform.commit(files, directory or self.directory)
        return self.platform.push(repository, self.name, "main", "--force").stderr

    def refuses(self, files: Files, directory: Path | None = None) -> str:
        """Commit and push files that make no release and harm the running one not at all; what was said."""
        repository = self.platform.commit(files, directory or self.directory)
        refused = self.platform.push(repository, self.name, "main", "--force", check=False)
        assert refused.returncode != 0, refused.stderr
        assert self.get().status < 400
        return refused.stderr

    def goes_and_comes_back(self, file: str, before: str, after: str, path: str = "/") -> str:
        """Push another wording of a file, find it on a page, roll back, find the one before; what the push said."""
        text = (self.directory / file).read_text()
        assert before in text
        pushed = self.push({file: text.replace(before, after)})
        assert after in self.get(path).text
        self.hostctl("rollback")
        self.answers(lambda: before in self.get(path).text)
        return pushed

    def answers(self, condition: Callable[[], bool]) -> None:
        """Wait until this is true of what the app answers."""
        wait_until(condition, BACK_SECONDS)

    def own_files(self) -> dict[str, list[str]]:
        """What the app's processes have mapped, by their names; all must come with the slug."""
        return runtime_files.own_files(self.platform, self.name)
