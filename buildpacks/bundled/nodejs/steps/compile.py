"""The steps in their order, that of Heroku's buildpack: runtime, dependencies, build, prune."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from packkit.config import config_vars, environment
from packkit.libraries import loadable, take_along
from packkit.say import detail, topic, warn

from . import dependencies, managers, runtime
from .package import read
from .work import Work

PACK = Path(__file__).resolve().parents[1]

_TOLD = ("NODE_ENV", "NPM_CONFIG_PRODUCTION", "YARN_PRODUCTION", "NODE_MODULES_CACHE", "NODE_BUILD_FLAGS")
_DEFAULTS = {
    "NODE_ENV": "production",
    "CI": "true",
    "NO_COLOR": "1",
    "NPM_CONFIG_LOGLEVEL": "error",
    "NPM_CONFIG_FUND": "false",
    "NPM_CONFIG_AUDIT": "false",
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "NPM_CONFIG_PROGRESS": "false",
    "YARN_ENABLE_TELEMETRY": "false",
    "YARN_ENABLE_COLORS": "false",
    "YARN_ENABLE_PROGRESS_BARS": "false",
}


def main(arguments: list[str]) -> None:
    """bin/compile."""
    build, cache, env_dir = (Path(argument).absolute() for argument in arguments)
    cache = cache / "nodejs"
    package = read(build)
    manager = managers.choose(build, package)
    env = _environment(build, cache, config_vars(env_dir))
    topic("Creating runtime environment")
    for name in filter(env.__contains__, _TOLD):
        detail(f"{name}={env[name]}")
    topic("Installing binaries")
    wanted = runtime.wanted(package, manager)
    work = Work(build, cache, package, manager, runtime.install(wanted, build, cache, env=env), env)
    _tell_versions(work)
    _script("heroku-prebuild", work)
    plan = dependencies.plan(build, package, manager, env)
    dependencies.install(plan, work)
    _script("heroku-postbuild" if "heroku-postbuild" in package.scripts else "build", work)
    dependencies.prune(plan, work)
    _script("heroku-cleanup", work)
    _finish(work)


def _environment(build: Path, cache: Path, config: Mapping[str, str]) -> dict[str, str]:
    """What tools see; config vars win over the defaults, but not over where things lie."""
    prefix = build / ".heroku/node"
    defaults = dict(_DEFAULTS)
    if Path("/etc/npmrc").is_file():
        defaults["NPM_CONFIG_GLOBALCONFIG"] = "/etc/npmrc"
    for theirs, ours in {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX"}.items():
        if theirs in config:
            defaults[ours] = config[theirs]
    return {
        **environment(config, defaults),
        "PATH": f"{prefix}/bin:{os.environ['PATH']}",
        "NODE_HOME": str(prefix),
        "NPM_CONFIG_CACHE": str(cache / "npm"),
        "YARN_CACHE_FOLDER": str(cache / "yarn"),
        "YARN_GLOBAL_FOLDER": str(cache / "berry"),
        # By two names: until pnpm 10, and after.
        "npm_config_store_dir": str(cache / "pnpm"),
        "pnpm_config_store_dir": str(cache / "pnpm"),
        # Headers for packages with native code, which node-gyp would download otherwise.
        "npm_config_nodedir": str(runtime.headers(cache)),
        "npm_package_config_node_gyp_nodedir": str(runtime.headers(cache)),
    }


def _tell_versions(work: Work) -> None:
    tools, manager = work.runtime, work.manager
    program = "" if manager.name == "npm" else f", {manager.program} {tools.manager}"
    detail(f"Using Node.js {tools.node}, npm {tools.npm}{program}")
    warn(*runtime.unsupported(tools.node))


def _script(name: str, work: Work) -> None:
    """Runs a script of package.json, if there is one of that name."""
    if name not in work.package.scripts:
        return
    topic("Build" if name in ("build", "heroku-postbuild") else name)
    detail(f"Running {name}")
    flags = shlex.split(work.env.get("NODE_BUILD_FLAGS", "")) if name == "build" else []
    separator = ["--"] if flags and work.manager.name == "npm" else []
    work.run([work.manager.program, "run", name, *separator, *flags], f"The script {name} of package.json")


def _finish(work: Work) -> None:
    """Libraries of the stack go along; what dynos and later buildpacks need to know is written."""
    build, prefix = work.build, work.runtime.prefix
    native = loadable(build / "node_modules", ".node")
    if taken := take_along([prefix / "bin/node"], native, prefix / "lib/stack", build=build, env=work.env):
        detail(f"Took along {len(taken)} libraries of the stack")
    shutil.copytree(PACK / "profile.d", build / ".profile.d", dirs_exist_ok=True)
    lines = [
        f'export PATH="{prefix}/bin:{build}/node_modules/.bin:$PATH"',
        f'export NODE_HOME="{prefix}"',
        'export NODE_ENV="${NODE_ENV:-production}"',
    ]
    (PACK / "export").write_text("".join(f"{line}\n" for line in lines))
    topic("Build succeeded!")
