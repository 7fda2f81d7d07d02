"""The steps in their order: hook, interpreter, dependencies, the app, Django, hook."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packkit.commands import CommandError, ask, run
from packkit.config import config_vars, environment
from packkit.kept import Kept, digest, files_below
from packkit.say import BuildError, topic

from . import dependencies, django, interpreter, versions

PACK = Path(__file__).resolve().parents[1]

_MISLEADING = ("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PYTHON_PREFERENCE", "UV_MANAGED_PYTHON", "UV_NO_MANAGED_PYTHON")
"""Config vars with which uv would install into another environment than the app's."""


@dataclass(frozen=True)
class Work:
    """One build: the app's directory, its cache, its config vars, and the environment of tools."""

    build: Path
    cache: Path
    config: Mapping[str, str]
    env: Mapping[str, str]

    @property
    def own(self) -> Path:
        """The virtual environment of the app."""
        return self.build / ".heroku/python"


def main(arguments: list[str]) -> None:
    """bin/compile."""
    build, cache, env_dir = (Path(argument).absolute() for argument in arguments)
    config = config_vars(env_dir)
    work = Work(build, cache, config, _environment(build, cache, config))
    _hook("pre_compile", work)
    chosen = _choose(work)
    plan = dependencies.plan(build)
    _install(chosen, plan, work)
    dependencies.install_package(plan, build, env=work.env)
    _write_profile(build)
    django.prepare(build, env=work.env)
    _hook("post_compile", work)


def _environment(build: Path, cache: Path, config: Mapping[str, str]) -> dict[str, str]:
    """What tools see. Where packages come from may be said in config vars, by uv's names or by pip's."""
    own = build / ".heroku/python"
    tools = cache / f"tools-{versions.written(interpreter.STACK)}"
    defaults = {"POETRY_CACHE_DIR": str(cache / "poetry")}
    for theirs, ours in {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX"}.items():
        if theirs in config:
            defaults[ours] = config[theirs]
    seen = {name: value for name, value in environment(config, defaults).items() if name not in _MISLEADING}
    return {
        **seen,
        "PATH": f"{own}/bin:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(own),
        "UV_PROJECT_ENVIRONMENT": str(own),
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_PYTHON_CACHE_DIR": str(cache / "uv-python"),
        "UV_TOOL_DIR": str(tools),
        "UV_TOOL_BIN_DIR": str(tools / "bin"),
        "UV_LINK_MODE": "clone",
        "UV_NO_PROGRESS": "1",
        "UV_COMPILE_BYTECODE": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _choose(work: Work) -> interpreter.Interpreter:
    asked = versions.asked(work.build)
    chosen = interpreter.choose(asked, lambda: interpreter.published(env=work.env, cwd=work.build))
    reason = f" ({asked.where} asks for {asked.text})" if asked else ""
    topic(f"Using Python {versions.written(chosen.version)}{reason}")
    return chosen


def _install(chosen: interpreter.Interpreter, plan: dependencies.Plan, work: Work) -> None:
    """Makes the interpreter and the environment, or takes both back from the cache if nothing that decides changed."""
    trees = {"environment": work.own, "interpreter": work.build / ".heroku/cpython"}
    key = _key(chosen, plan, work)
    kept = Kept(work.cache / "python")
    if kept.matches(key) and not plan.floating:
        topic("Reusing the dependencies of the last build")
        kept.restore(trees)
        return
    program = interpreter.install(chosen, trees["interpreter"], env=work.env)
    if work.own.exists():
        shutil.rmtree(work.own)
    run(["uv", "venv", "--quiet", "--python", program, "--prompt", "app", work.own], env=work.env, cwd=work.build)
    dependencies.install(plan, work.build, work.own, work.cache, env=work.env)
    interpreter.complete(program, work.own, build=work.build, env=work.env)
    kept.keep(key, trees)


def _key(chosen: interpreter.Interpreter, plan: dependencies.Plan, work: Work) -> str:
    """Changes with anything that decides about the environment."""
    settings = [f"{name}={value}" for name, value in work.config.items() if name.startswith(("UV_", "PIP_", "POETRY_"))]
    uv = ask(["uv", "--version"], env=work.env, cwd=work.build)
    code = files_below(PACK, Path(os.environ["BUILDPACK_LIB"]))
    return digest([chosen.identity, uv, str(work.build), *settings, plan.source, *plan.decides, *code])


def _hook(name: str, work: Work) -> None:
    """Runs the app's own bin/pre_compile or bin/post_compile, which may expect a pip once there is an environment."""
    script = work.build / "bin" / name
    if not script.is_file():
        return
    if work.own.exists() and not (work.own / "bin/pip").exists():
        run(["uv", "pip", "install", "--quiet", "pip"], env=work.env, cwd=work.build)
    topic(f"Running bin/{name}")
    script.chmod(script.stat().st_mode | 0o111)
    try:
        run([script], env=work.env, cwd=work.build)
    except CommandError as error:
        raise BuildError(f"bin/{name} ended with status {error.status}: see above.") from error


def _write_profile(build: Path) -> None:
    shutil.copytree(PACK / "profile.d", build / ".profile.d", dirs_exist_ok=True)
    (PACK / "export").write_text(f'export PATH="{build}/.heroku/python/bin:$PATH"\n')
