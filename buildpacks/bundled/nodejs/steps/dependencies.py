"""Dependencies: what to install, whether the last build's can be used again, and what to remove after the build."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packkit.config import is_set
from packkit.kept import Kept, copy, digest, files_below
from packkit.say import detail, topic, warn

from . import managers
from .managers import Manager
from .package import Package
from .work import Work

_BUILD_SCRIPTS = {"heroku-prebuild", "heroku-postbuild", "build", "heroku-cleanup"}
_DECIDING = ("package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", ".pnpmfile.cjs")


@dataclass(frozen=True)
class Plan:
    """Whether devDependencies are installed, whether they are removed in the end, and whether what was installed can
    be kept for the next build. `reason` says why they stay, where config vars want that."""

    development: bool
    prune: bool
    reusable: bool
    reason: str = ""


def plan(app: Path, package: Package, manager: Manager, env: Mapping[str, str]) -> Plan:
    """What to do. devDependencies are not even installed where nothing is built that could need them."""
    reusable = managers.reusable(app, package, manager) and env.get("NODE_MODULES_CACHE") != "false"
    variable = "YARN_PRODUCTION" if manager.program == "yarn" else "NPM_CONFIG_PRODUCTION"
    if is_set(env, variable):
        # Yarn from 2 on installs all or nothing.
        return Plan(development=False, prune=manager.name == "berry", reusable=reusable)
    if env.get("NODE_ENV") != "production":
        return Plan(development=True, prune=False, reusable=reusable, reason=f"NODE_ENV={env.get('NODE_ENV', '')}")
    for name in (variable, "YARN2_SKIP_PRUNING", "PNPM_SKIP_PRUNING"):
        if (name == variable and name in env) or is_set(env, name):
            return Plan(development=True, prune=False, reusable=reusable, reason=f"{name}={env[name]}")
    builds = bool(_BUILD_SCRIPTS & package.scripts.keys()) or not reusable or manager.name == "berry"
    return Plan(development=builds, prune=builds, reusable=reusable)


def install(plan: Plan, work: Work) -> None:
    """Installs what package.json names, or takes back what the last build installed from the very same files."""
    topic("Installing dependencies")
    if work.package.needy and not work.manager.lock:
        warn("There is no lock file, so every build chooses versions anew. Commit the one that your manager makes.")
    kept, trees = Kept(work.cache / "node_modules"), {"node_modules": work.build / "node_modules"}
    key = _key(plan, work)
    if plan.reusable and kept.matches(key):
        detail("Nothing has changed: reusing those of the last build")
        kept.restore(trees)
        return
    if managers.plug_n_play(work.build, work.manager):
        _install_packages(plan, work)
    else:
        _install(plan, work, work.env)
    if plan.reusable and trees["node_modules"].is_dir():
        kept.keep(key, trees)


def prune(plan: Plan, work: Work) -> None:
    """Removes what only the build needed."""
    if plan.reason:
        topic(f"Keeping devDependencies, because of {plan.reason}")
    if not plan.prune:
        return
    workspaces = managers.has_workspaces(work.build, work.package)
    topic("Pruning devDependencies")
    if command := managers.prune_command(work.manager, work.runtime.manager_line, workspaces=workspaces):
        work.run(command, "Pruning")
    else:
        detail(f"{work.manager.program} {work.runtime.manager} cannot do that here: they stay in the slug")


def _install(plan: Plan, work: Work, env: Mapping[str, str]) -> None:
    exact = bool(work.manager.lock) and not is_set(work.env, "USE_NPM_INSTALL")
    if work.manager.name == "npm" and (work.build / "node_modules").is_dir():
        detail("node_modules is checked in: rebuilding its native modules")
        work.run(["npm", "rebuild"], "Rebuilding")
        exact = False
    line, development = work.runtime.manager_line, plan.development
    argv = managers.install_command(work.manager, line, development=development, exact=exact)
    work.run(argv, "Installing dependencies", env)


def _install_packages(plan: Plan, work: Work) -> None:
    """With Plug'n'Play: what Yarn opens at run time are the packages themselves, which so belong into the slug."""
    packages, kept = work.build / ".yarn/cache", work.cache / "packages"
    env = {name: value for name, value in work.env.items() if name != "YARN_CACHE_FOLDER"}
    env["YARN_ENABLE_GLOBAL_CACHE"] = "false"
    checked_in = packages.exists()
    if kept.is_dir() and not checked_in:
        copy(kept, packages)
    _install(plan, work, env)
    if packages.is_dir() and not checked_in:
        copy(packages, kept)


def _key(plan: Plan, work: Work) -> str:
    """Changes with anything that decides about what is installed."""
    files = [work.build / name for name in (*_DECIDING, work.manager.lock)]
    prefixes = ("NPM_", "YARN_", "NODE_", "PNPM_")
    settings = [f"{name}={value}" for name, value in sorted(work.env.items()) if name.upper().startswith(prefixes)]
    tools = work.runtime
    marks = [tools.node, tools.npm, tools.manager, str(plan.development), os.environ.get("STACK", ""), str(work.build)]
    return digest([*marks, *settings, *files, *files_below(Path(__file__).parent)])
