"""The interpreter that goes into the slug: the stack's, copied with all it needs, or one that uv gets."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packkit.commands import CommandError, ask, run
from packkit.libraries import loadable, take_along
from packkit.say import BuildError, detail, topic

from .versions import Asked, Version, newest_of_each, numbers, written

STACK: Version = sys.version_info[:3]
"""The stack's own version, since this runs on it."""

_UNNEEDED = (
    *("test", "tests", "idlelib", "turtledemo", "tkinter", "_tkinter*", "ensurepip", "config-*", "dist-packages"),
    # Needs six libraries for a service that nobody runs any more, and is gone from Python 3.13.
    "nis.*",
    # Of Debian's own: its report of crashes, and the rule that pip must not touch the system's packages.
    *("sitecustomize.py", "EXTERNALLY-MANAGED"),
)


@dataclass(frozen=True)
class Interpreter:
    """A choice: `identity` changes when anything does that would go into the slug with it."""

    version: Version
    of_stack: bool
    identity: str


def choose(asked: Asked | None, published: Callable[[], Sequence[Version]]) -> Interpreter:
    """The stack's interpreter where it satisfies the app, else the newest of `published` that does.

    Raises BuildError, with the list of what can be had, when none does.
    """
    if asked is None or asked.admits(STACK):
        return Interpreter(STACK, True, _stack_identity())
    versions = published()
    if version := asked.best(versions):
        # Packages are compiled against the stack, whichever interpreter it is.
        return Interpreter(version, False, f"{written(version)} on {_stack_identity()}")
    raise BuildError(
        f"{asked.where} asks for Python {asked.text}, which is not to be had.",
        *available(versions),
        f"Write one of these into {asked.where}, or remove it to take the stack's.",
    )


def available(published: Sequence[Version]) -> list[str]:
    """Lines that say which versions can be had."""
    newest = ", ".join(map(written, newest_of_each(published))) or "(uv's list cannot be had)"
    return [
        f"On this stack: {written(STACK)}.",
        f"From where uv downloads interpreters, these and earlier ones of each series: {newest}.",
    ]


def published(*, env: Mapping[str, str], cwd: Path) -> list[Version]:
    """The versions that uv knows where to get, without alpha and beta releases; [] when it cannot say."""
    argv = ["uv", "python", "list", "--all-versions", "--only-downloads", "--output-format", "json"]
    try:
        entries = json.loads(ask(argv, env=env, cwd=cwd))
    except (CommandError, ValueError):
        return []
    return [
        numbers(entry["version"])
        for entry in entries
        if entry["implementation"] == "cpython"
        and entry.get("variant", "default") == "default"
        and entry["version"].replace(".", "").isdecimal()
    ]


def install(interpreter: Interpreter, folder: Path, *, env: Mapping[str, str]) -> Path:
    """Puts the interpreter below `folder` and returns its program."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if interpreter.of_stack:
        return _copy_stack(folder / f"stack-{written(STACK)}")
    topic(f"Installing Python {written(interpreter.version)}")
    argv = ["uv", "python", "install", "--no-bin", "--install-dir", str(folder), written(interpreter.version)]
    try:
        run(argv, env=env, cwd=folder)
    except CommandError as error:
        raise BuildError(
            f"Python {written(interpreter.version)} could not be downloaded: see above.",
            *available(published(env=env, cwd=folder)),
            f"Ask for {written(STACK[:2])}, or name a mirror in the config var UV_PYTHON_INSTALL_MIRROR.",
        ) from error
    return installed(interpreter, folder)


def installed(interpreter: Interpreter, folder: Path) -> Path:
    """The program of an interpreter that `install` put below `folder`."""
    version = written(interpreter.version)
    name = f"python{written(interpreter.version[:2])}"
    origin = f"stack-{version}" if interpreter.of_stack else f"cpython-{version}-*"
    programs = sorted(folder.glob(f"{origin}/bin/{name}"))
    if not programs:
        raise BuildError(f"Python {version} has no {name}.", "Run `hostctl cache:purge`, and push again.")
    return programs[0]


def complete(program: Path, environment: Path, *, build: Path, env: Mapping[str, str]) -> None:
    """Takes along the stack's libraries that the interpreter and the packages of an environment load."""
    prefix = program.parent.parent
    files = [*loadable(prefix / "lib"), *loadable(environment / "lib")]
    if taken := take_along([program], files, prefix / "lib/stack", build=build, env=env):
        detail(f"Took along {len(taken)} libraries of the stack")


# Helpers


def _stack_identity() -> str:
    """Changes with the stack's interpreter, and with its packages, whose libraries are taken along."""
    marks = [Path(sys.executable).resolve(), Path("/var/lib/dpkg/status")]
    return f"{sys.version} {[mark.stat().st_mtime_ns for mark in marks if mark.exists()]}"


def _copy_stack(prefix: Path) -> Path:
    program = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    headers = Path(sysconfig.get_path("include"))
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(program, prefix / "bin" / program.name)
    shutil.copytree(stdlib, prefix / "lib" / stdlib.name, symlinks=True, ignore=shutil.ignore_patterns(*_UNNEEDED))
    if headers.is_dir():
        shutil.copytree(headers, prefix / "include" / headers.name)
    return prefix / "bin" / program.name
