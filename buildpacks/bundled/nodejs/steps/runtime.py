"""Node.js, npm and the app's package manager, put into the slug.

What was fetched is kept for a day, and for ever where exact versions are asked for: most builds ask no registry.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packkit.commands import CommandError, ask
from packkit.kept import Kept, copy, digest, files_below
from packkit.say import BuildError, detail, warn

from .majors import DEFAULT, MAINTAINED, npm_for
from .managers import Manager
from .package import Package
from .registry import Registry

_FRESH_SECONDS = 24 * 3600.0
_PROCESSORS = {"x86_64": "x64", "aarch64": "arm64"}
_EXACT = re.compile(r"v?\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Wanted:
    """Ranges of versions; `npm` is "" for the line that comes with that Node.js."""

    node: str
    npm: str
    manager: Manager


@dataclass(frozen=True)
class Runtime:
    """What lies in BUILD/.heroku/node: versions of Node.js, of npm, and of the app's package manager."""

    prefix: Path
    node: str
    npm: str
    manager: str

    @property
    def manager_line(self) -> int:
        """The release line of the package manager."""
        return int(self.manager.split(".", maxsplit=1)[0])


def wanted(package: Package, manager: Manager) -> Wanted:
    """What an app asks for, which is told to the pusher."""
    node = package.engine("node")
    npm = manager.wanted if manager.name == "npm" and manager.wanted else package.engine("npm")
    detail(f"engines.node (package.json):   {node or f'not said, so {DEFAULT}'}")
    detail(f"engines.npm (package.json):    {npm or 'not said, so what comes with Node.js'}")
    if manager.name != "npm":
        detail(f"{manager.program} ({manager.lock or 'package.json'}): {manager.script or manager.wanted}")
    return Wanted(node or DEFAULT, npm, manager)


def install(wanted: Wanted, build: Path, cache: Path, *, env: Mapping[str, str]) -> Runtime:
    """Puts the runtime into BUILD/.heroku/node, from the cache if it is fresh enough there.

    Raises BuildError, with the lines that can be had, when there is no release of something that is wanted.
    """
    prefix, manager = build / ".heroku/node", wanted.manager
    registry = Registry(cache / "registry", env)
    settings = [text for name, text in sorted(env.items()) if name.upper() == "NPM_CONFIG_REGISTRY"]
    common: list[str | Path] = [str(prefix), platform.machine(), *settings, *files_below(Path(__file__).parent)]

    def fetch_node() -> None:
        _fetch_node(wanted, prefix, registry, env)
        # Native code is compiled against them, but no dyno ever needs their thousands of files.
        copy(prefix / "include", headers(cache) / "include")
        shutil.rmtree(prefix / "include")

    kept = Kept(cache / "runtime")
    _take(kept, digest([wanted.node, wanted.npm, *common]), wanted.node, prefix, fetch_node)
    if manager.script:
        _link_script(manager.script, prefix)
    elif manager.name != "npm":
        name, text = manager.source
        folder = prefix / "lib/node_modules" / name
        kept = Kept(cache / "manager")
        _take(kept, digest([name, text, *common]), text, folder, lambda: _fetch(registry, name, name, text, folder))
        _link(folder, prefix / "bin")
    return _look(prefix, manager)


def headers(cache: Path) -> Path:
    """Where the headers of the runtime lie: a value for node-gyp's nodedir."""
    return cache / "headers"


def unsupported(node: str) -> list[str]:
    """Lines to warn with about a release line that is not maintained any more."""
    line = int(node.split(".", maxsplit=1)[0])
    if line in MAINTAINED or line > max(MAINTAINED):
        return []
    maintained = ", ".join(map(str, MAINTAINED))
    return [
        f"Node.js {line} gets no security fixes any more. Maintained are {maintained}: engines.node in package.json."
    ]


# Helpers


def _take(kept: Kept, key: str, text: str, tree: Path, fetch: Callable[[], object]) -> None:
    """Takes a tree back while it is fresh, else has it fetched; where that fails, the one of the last build will do."""
    there = kept.matches(key)
    if there and (_EXACT.fullmatch(text) or kept.age() < _FRESH_SECONDS):
        kept.restore({"tree": tree})
        return
    shutil.rmtree(tree, ignore_errors=True)
    try:
        fetch()
    except BuildError as error:
        if not there:
            raise
        warn(*error.args, "What the last build used is taken again.")
        kept.restore({"tree": tree})
        return
    kept.keep(key, {"tree": tree})


def _fetch_node(wanted: Wanted, prefix: Path, registry: Registry, env: Mapping[str, str]) -> None:
    processor = _PROCESSORS.get(platform.machine())
    if processor is None:
        raise BuildError(f"There is no Node.js for this server's processor, {platform.machine()}.")
    members = ("bin", "include", "LICENSE")
    node = _fetch(registry, "Node.js", f"node-linux-{processor}", wanted.node, prefix, *members)
    if shutil.which("strip"):
        # A quarter of the file is for debuggers of Node.js itself.
        ask(["strip", "--strip-all", prefix / "bin/node"], env=env, cwd=prefix)
    npm = prefix / "lib/node_modules/npm"
    _fetch(registry, "npm", "npm", wanted.npm or npm_for(int(node.split(".", maxsplit=1)[0])), npm)
    _link(npm, prefix / "bin")


def _fetch(registry: Registry, title: str, package: str, text: str, folder: Path, *members: str) -> str:
    """Fetches a package and returns its version; raises BuildError, with the lines that there are."""
    try:
        return registry.fetch(package, text, folder, *members)
    except CommandError as error:
        lines = registry.lines(package)
        if not lines:
            said = error.output.strip().splitlines()[:5]
            raise BuildError(f"{title} {text} could not be had from npm's registry:", *said) from error
        raise BuildError(
            f"There is no {title} {text}.",
            f"There are releases of {', '.join(map(str, lines))}.",
            f"Ask for one of these lines in package.json, as engines, such as {lines[0]}.x.",
        ) from error


def _link(folder: Path, programs: Path) -> None:
    """Makes a package's programs callable, as npm does when it installs something globally."""
    declared = json.loads((folder / "package.json").read_text())["bin"]
    if isinstance(declared, str):
        declared = {folder.name: declared}
    for name, script in declared.items():
        target = (folder / script).resolve()
        target.chmod(0o755)
        link = programs / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("../lib/node_modules", target.relative_to(programs.parent / "lib/node_modules")))


def _link_script(script: str, prefix: Path) -> None:
    """The Yarn among the app's own files."""
    program = prefix / "bin/yarn"
    program.write_text(f'#!/bin/sh\nexec node "{prefix.parents[1] / script}" "$@"\n')
    program.chmod(0o755)


def _look(prefix: Path, manager: Manager) -> Runtime:
    node = ask([prefix / "bin/node", "--version"], env={}, cwd=prefix).strip().removeprefix("v")
    modules = prefix / "lib/node_modules"
    npm = _version(modules / "npm")
    if manager.name == "npm":
        return Runtime(prefix, node, npm, npm)
    if manager.script:
        found = re.search(r"\d+\.\d+\.\d+", Path(manager.script).name)
        return Runtime(prefix, node, npm, found[0] if found else manager.wanted)
    return Runtime(prefix, node, npm, _version(modules / manager.source[0]))


def _version(folder: Path) -> str:
    return str(json.loads((folder / "package.json").read_text())["version"])
