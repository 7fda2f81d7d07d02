"""Which tool installs an app's dependencies, from which files, and the commands that do it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packkit.commands import CommandError, run
from packkit.say import BuildError, topic, warn

from .pipfile import requirements
from .versions import read_json, read_toml

POETRY = "2.5.1"
"""The Poetry that reads poetry.lock; it reads what earlier ones wrote."""

LOCKS = {
    "Pipfile.lock": "pipenv",
    "requirements.txt": "pip",
    "poetry.lock": "poetry",
    "uv.lock": "uv",
    "pyproject.toml": "project",
    "setup.py": "setup",
}
"""What may name an app's dependencies, in the order in which they count (Heroku's), and who reads it."""

_INCLUDED = re.compile(r"^[ \t]*(?:-r|-c|--requirement|--constraint)[ =]*([^\s#]+)", re.MULTILINE)
_LOCAL = re.compile(r"^\s*(?:-e\b|--editable\b|\.|/|[^#\n]*(?:file:|@ \./))", re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """How dependencies are installed.

    `reader` is a value of LOCKS or "" for none, `source` the file it reads, `decides` all files that decide what
    will be installed; `floating` says that directories do as well, so that nothing can be kept. `package` says that
    the app is itself a package to install; `unused` are files that would have counted, had there been no `source`.
    """

    reader: str
    source: str
    decides: tuple[Path, ...]
    floating: bool = False
    package: bool = False
    unused: tuple[str, ...] = field(default=())


def plan(app: Path) -> Plan:
    """What to do for an app; raises BuildError for files that cannot be read."""
    present = [name for name in LOCKS if (app / name).is_file()]
    project = read_toml(app / "pyproject.toml") if "pyproject.toml" in present else {}
    usable = [name for name in present if _usable(LOCKS[name], project)]
    if not usable:
        if (app / "Pipfile").is_file():
            raise BuildError("There is a Pipfile, but no Pipfile.lock.", "Make it with `pipenv lock`, and commit it.")
        return Plan("", "", ())
    source = usable[0]
    reader = LOCKS[source]
    return Plan(
        reader=reader,
        source=source,
        decides=tuple(app / name for name in _deciding(app, reader)),
        floating=_floating(app, reader),
        package=reader not in ("pip", "pipenv") and _is_package(app, project),
        unused=tuple(name for name in usable[1:] if name.endswith((".lock", ".txt"))),
    )


def install(plan: Plan, app: Path, environment: Path, cache: Path, *, env: Mapping[str, str]) -> None:
    """Installs the dependencies, but not the app itself, into a virtual environment."""
    if not plan.reader:
        return
    for name in plan.unused:
        warn(f"{name} is not read, because there is a {plan.source}: keep only one of them.")
    topic(f"Installing dependencies from {plan.source}")
    try:
        for argv in _commands(plan, app, environment, cache, env):
            run(argv, env=env, cwd=app)
    except CommandError as error:
        raise BuildError("The dependencies could not be installed: see above.", *_hints(error.output)) from error


def install_package(plan: Plan, app: Path, *, env: Mapping[str, str]) -> None:
    """Installs the app itself, editable, if it is a package."""
    if not plan.package:
        return
    topic("Installing the app itself")
    try:
        run(["uv", "pip", "install", "--no-deps", "--editable", "."], env=env, cwd=app)
    except CommandError as error:
        raise BuildError(
            "The app could not be installed: see above.",
            "If it is no package, leave [build-system] out of pyproject.toml, or say so there: "
            "package = false below [tool.uv], package-mode = false below [tool.poetry].",
        ) from error


# Helpers


def _usable(reader: str, project: Mapping[str, Any]) -> bool:
    """Locks of a project need the project; a pyproject.toml may hold nothing but settings of tools."""
    if reader == "project":
        return bool({"project", "build-system"} & project.keys())
    return bool(project) or reader not in ("uv", "poetry")


def _deciding(app: Path, reader: str) -> list[str]:
    if reader == "pip":
        return list(_followed(app, "requirements.txt", set()))
    return {
        "pipenv": ["Pipfile.lock"],
        "poetry": ["poetry.lock", "pyproject.toml"],
        "uv": ["uv.lock", "pyproject.toml"],
        "project": ["pyproject.toml"],
        "setup": ["setup.py", "setup.cfg"],
    }[reader]


def _followed(app: Path, name: str, seen: set[str]) -> Iterator[str]:
    """A requirements file and those it includes."""
    file = app / name
    if name in seen or not file.is_file():
        return
    seen.add(name)
    yield name
    for included in _INCLUDED.findall(file.read_text(errors="replace").replace("\r", "")):
        yield from _followed(app, str(Path(name).parent / included), seen)


def _floating(app: Path, reader: str) -> bool:
    if reader == "pip":
        names = _followed(app, "requirements.txt", set())
        return any(_LOCAL.search((app / name).read_text(errors="replace")) for name in names)
    if reader == "pipenv":
        locked = read_json(app / "Pipfile.lock").get("default", {}).values()
        return any({"path", "file", "editable"} & entry.keys() for entry in locked if isinstance(entry, dict))
    if reader in ("uv", "poetry"):
        packages = read_toml(app / f"{reader}.lock").get("package", [])
        return any(_is_local(package.get("source", {})) for package in packages)
    # Versions are chosen anew from a constraint: what was chosen last time is kept, as pip would keep it.
    return False


def _is_local(source: Mapping[str, Any]) -> bool:
    """True if the lock's entry comes from a directory or a file of the app, other than the app itself."""
    if source.get("type") in ("directory", "file"):
        return True
    return any(source.get(kind, ".") != "." for kind in ("editable", "directory", "path", "virtual"))


def _is_package(app: Path, project: Mapping[str, Any]) -> bool:
    tools = project.get("tool", {})
    said = tools.get("uv", {}).get("package", tools.get("poetry", {}).get("package-mode"))
    if isinstance(said, bool):
        return said
    return "build-system" in project or (app / "setup.py").is_file()


def _commands(plan: Plan, app: Path, environment: Path, cache: Path, env: Mapping[str, str]) -> list[list[str | Path]]:
    python = environment / "bin/python"
    if plan.reader == "uv":
        selection = ["--frozen", "--no-default-groups", "--no-install-project"]
        return [["uv", "sync", *selection, "--python", python]]
    if plan.reader == "poetry":
        poetry = Path(env["UV_TOOL_BIN_DIR"], "poetry")
        return [
            ["uv", "tool", "install", "--quiet", "--python", "/usr/bin/python3", f"poetry=={POETRY}"],
            [poetry, "sync", "--only", "main", "--no-root", "--compile", "--no-interaction", "--no-ansi"],
        ]
    source = app / plan.source
    if plan.reader == "pipenv":
        source = cache / "Pipfile.txt"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(requirements(read_json(app / plan.source)))
    return [["uv", "pip", "install", "-r", source]]


def _hints(output: str) -> list[str]:
    if "Python.h" in output:
        return ["A package is compiled against Python's headers, which this stack lacks. Tell the server's admin."]
    if match := re.search(r"\b(pg_config|mysql_config|xmlsec1-config|cargo|rustc)\b.*not (?:be )?found", output):
        return [
            f"A package is compiled and needs {match[1]}. Ask for one that comes compiled (psycopg2-binary does),",
            "or put the apt buildpack before this one, with the Debian package that has it in an Aptfile.",
        ]
    return []
