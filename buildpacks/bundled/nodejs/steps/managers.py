"""Which package manager an app uses, what it is told to do, and whether what it installed can be used again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packkit.say import BuildError

from .majors import berry_for, pnpm_for
from .package import LIFECYCLE, Package

LOCKS = {"package-lock.json": "npm", "npm-shrinkwrap.json": "npm", "yarn.lock": "yarn", "pnpm-lock.yaml": "pnpm"}

_LOCAL = {
    "npm": r'"link": true|"resolved": "file:|"version": "file:',
    "yarn": r"@(file|link):|resolved \"file:",
    "berry": r"@workspace:(?!\.\")|@(portal|link|file):|patch:(?!.*builtin<)",
    "pnpm": r"\b(link|file|workspace):|^patchedDependencies:",
}
"""What in a lock shows that directories of the app are among its dependencies."""


@dataclass(frozen=True)
class Manager:
    """`name` is npm, yarn (the classic one), berry (Yarn from 2 on) or pnpm.

    `wanted` is the range to get of it, "" for npm as it comes with Node.js; `lock` the file it reads, "" for none;
    `script` is Yarn itself where the app has it among its files.
    """

    name: str
    wanted: str = ""
    lock: str = ""
    script: str = ""

    @property
    def program(self) -> str:
        """The command's name."""
        return "yarn" if self.name == "berry" else self.name

    @property
    def source(self) -> tuple[str, str]:
        """The npm package that has it, and the range to take."""
        return ("@yarnpkg/cli-dist" if self.name == "berry" else self.name), self.wanted


def choose(app: Path, package: Package) -> Manager:
    """By packageManager in package.json, else by the lock; raises BuildError where there are several locks."""
    locks = [name for name in LOCKS if (app / name).is_file()]
    kinds = {LOCKS[name] for name in locks}
    if package.manager:
        kind, version = package.manager
        lock = next((name for name in locks if LOCKS[name] == kind), "")
        berry = kind == "yarn" and not version.startswith(("0.", "1."))
        return Manager("berry" if berry else kind, version, lock, _yarn_script(app) if berry else "")
    if len(kinds) > 1:
        raise BuildError(
            f"There are locks of several package managers: {', '.join(locks)}.",
            "Keep the one of the manager that you use, or name it as packageManager in package.json.",
        )
    lock = locks[0] if locks else ""
    kind = LOCKS.get(lock, "npm")
    asked = package.engine(kind)
    if kind == "yarn" and (metadata := re.search(r"^__metadata:\s+version: (\d+)", _text(app / lock), re.MULTILINE)):
        return Manager("berry", asked or berry_for(int(metadata[1])), lock, _yarn_script(app))
    if kind == "pnpm" and not asked:
        written = re.search(r"^lockfileVersion: '?([\d.]+)", _text(app / lock), re.MULTILINE)
        asked = pnpm_for(written[1] if written else "")
    return Manager(kind, asked or ("1" if kind == "yarn" else ""), lock)


def install_command(manager: Manager, version: int, *, development: bool, exact: bool) -> list[str]:
    """Installs dependencies; `version` is the manager's line, `exact` means what the lock says and nothing else."""
    if manager.name == "npm":
        command = ["npm", "ci" if exact and version >= 6 else "install"]
        if version >= 7:
            return [*command, "--include=dev" if development else "--omit=dev"]
        return [*command, f"--production={'false' if development else 'true'}"]
    if manager.name == "yarn":
        locked = ["--frozen-lockfile"] if exact else ["--no-lockfile"]
        return ["yarn", "install", *locked, "--ignore-engines", f"--production={'false' if development else 'true'}"]
    if manager.name == "berry":
        return ["yarn", "install", *(["--immutable"] if exact else [])]
    kind = "--prod=false" if development else "--prod"
    return ["pnpm", "install", "--frozen-lockfile" if exact else "--no-frozen-lockfile", kind, "--reporter=append-only"]


def prune_command(manager: Manager, version: int, *, workspaces: bool) -> list[str]:
    """Removes the dependencies that only the build needed; [] where the manager cannot do that."""
    if manager.name == "npm":
        return ["npm", "prune", "--omit=dev"] if version >= 7 else ["npm", "prune", "--production"]
    if manager.name == "yarn":
        flags = ["--frozen-lockfile", "--ignore-engines", "--ignore-scripts", "--prefer-offline"]
        return ["yarn", "install", *flags, "--production=true"]
    if manager.name == "berry":
        return (
            ["yarn", "workspaces", "focus", *(["--all"] if workspaces else []), "--production"] if version >= 4 else []
        )
    # pnpm prunes one package only, and would take the packages of a workspace for unneeded.
    return [] if workspaces else ["pnpm", "prune", "--prod", "--ignore-scripts"]


def plug_n_play(app: Path, manager: Manager) -> bool:
    """True if Yarn makes no node_modules: packages stay in its own cache, which then belongs to the app."""
    if manager.name != "berry":
        return False
    linker = re.search(r"^nodeLinker:\s*[\"']?([\w-]+)", _text(app / ".yarnrc.yml"), re.MULTILINE)
    return linker is None or linker[1] == "pnp"


def has_workspaces(app: Path, package: Package) -> bool:
    """True if the app is several packages."""
    return package.workspaces or bool(re.search(r"^packages:", _text(app / "pnpm-workspace.yaml"), re.MULTILINE))


def reusable(app: Path, package: Package, manager: Manager) -> bool:
    """True if an installation depends on nothing but the lock, package.json and settings, so that it can be kept."""
    return (
        bool(manager.lock)
        and not (app / "node_modules").exists()
        and not (app / "binding.gyp").exists()
        and not set(LIFECYCLE) & package.scripts.keys()
        and not has_workspaces(app, package)
        and not plug_n_play(app, manager)
        and not re.search(_LOCAL[manager.name], _text(app / manager.lock), re.MULTILINE)
    )


def explain(output: str, manager: Manager) -> list[str]:
    """What to do about a failed installation or build, where its output shows that."""
    stale = r"npm ci.+can only install|in sync|needs to be updated|lockfile would have been|OUTDATED_LOCKFILE"
    if re.search(stale, output):
        return [
            f"{manager.lock} does not fit package.json: run `{manager.program} install` on your machine, "
            f"and commit {manager.lock}."
        ]
    if "heap out of memory" in output:
        return ["The build ran out of JavaScript memory: `hostctl config:set NODE_OPTIONS=--max-old-space-size=1536`."]
    if "gyp ERR!" in output:
        return ["A package with native code could not be compiled: a newer release of it may support this Node.js."]
    if match := re.search(r"(ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN)", output):
        return [f"A registry could not be reached ({match[1]}): see its address above, and try again."]
    return []


def _yarn_script(app: Path) -> str:
    """Where .yarnrc.yml says that Yarn lies among the app's files."""
    match = re.search(r"^yarnPath:\s*[\"']?([^\s\"']+)", _text(app / ".yarnrc.yml"), re.MULTILINE)
    return match[1] if match and (app / match[1]).is_file() else ""


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.is_file() else ""
