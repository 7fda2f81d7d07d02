"""Makes machine code of the router's hot path (`router.compiled`), once for each source, interpreter and compiler.

Run by an interpreter that has mypy and setuptools, which are no part of the installation; to find a build that is there
already takes neither. A build is made beside, tried, and moved in at once.
"""

from __future__ import annotations

import argparse
import compileall
import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from hostd.install.errors import InstallError
from router import compiled

OPTIONS = {"opt_level": "2", "debug_level": "0", "multi_file": True, "group_name": "router"}
"""Of mypyc. A C file for each module: all processors work, and with half the memory that a single file takes."""
FOR_MYPY = ("--ignore-missing-imports", "--no-site-packages")
BUILDS = Path(sys.prefix) / "router-compiled"
"""Those of whoever works on hostd: they go with the virtual environment."""
SECONDS = 1800
DRAFT = ".new-"
KEPT = 8
"""Builds beside those of an installation, which keeps one: as many checkouts of a developer."""

MISTAKEN = re.compile(r"!= -113(\.0)? && PyErr_Occurred\(\)")
"""What mypyc 2.4 makes where a tuple of a fixed length that begins with a number may not be set, and by which one that
is set counts as not set: of "it has the value for an error, and there is one" only the first half is negated."""
TRIAL = """
import sys
sys.path.insert(0, sys.argv[1])
from router import compiled
sys.exit(not compiled.in_use())
"""


class CompileError(InstallError):
    """The router cannot be compiled here."""


def compiled_tree(project: Path, builds: Path = BUILDS, python: str = sys.executable) -> Path:
    """The directory with the router of *project* compiled, for PYTHONPATH; made in *builds* if it is not there.

    `python` is an interpreter of the same version that has what the router imports; the build is tried with it.
    Raises CompileError with the cause.
    """
    builds.mkdir(parents=True, exist_ok=True)
    with _locked(builds), _draft(builds) as draft:
        # Of what was copied: others may be writing in the checkout.
        shutil.copytree(project / "router", draft / "router", ignore=shutil.ignore_patterns("__pycache__"))
        place = builds / f"{compiled.key(draft / 'router')}-{_tools(project)}"
        if not place.exists():
            _compile(draft)
            _try(draft, python)
            _settle(draft)
            draft.rename(place)
            _flush(builds)
        place.touch()
    return place


def find(project: Path, builds: Path) -> Path | None:
    """The build of a project's router by the compiler there is now, if there is one."""
    place = builds / f"{compiled.key(project / 'router')}-{_tools(project)}"
    return place if place.exists() else None


def find_any(project: Path, builds: Path) -> Path | None:
    """The build of a project's router by any compiler, which is what a worker takes."""
    return compiled.find(project / "router", builds)


def _tools(project: Path) -> str:
    """Of what else a build depends on: mypy, the C compiler, and how they are asked."""
    pins = tomllib.loads((project / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    mypy = next(pin for pin in pins if pin.startswith("mypy=="))
    compiler = str(sysconfig.get_config_var("CC")).split()[0]
    try:
        version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompileError(f"there is no C compiler {compiler}: {error}") from error
    return sha256(repr((mypy, version, FOR_MYPY, OPTIONS)).encode()).hexdigest()[:8]


@contextmanager
def _locked(builds: Path) -> Iterator[None]:
    """One at a time, as whoever comes second then finds it made. The kernel unlocks for one that is killed."""
    with (builds / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _draft(builds: Path) -> Iterator[Path]:
    """A directory of its own, gone at the end; so are those that were killed, and old builds, go."""
    for dead in builds.glob(f"{DRAFT}*"):
        shutil.rmtree(dead, ignore_errors=True)
    for old in sorted(builds.glob("*-*"), key=lambda build: build.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=builds))
    try:
        draft.chmod(0o755)
        yield draft
    except OSError as error:
        raise CompileError(f"{builds}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _compile(draft: Path) -> None:
    """In a process of its own, as mypyc works in the current directory and ends the process on errors."""
    argv = [sys.executable, "-c", "from hostd.install.compiling import build; build()"]
    root = str(Path(__file__).parents[2])
    try:
        subprocess.run(argv, cwd=draft, env={**os.environ, "PYTHONPATH": root}, check=True, timeout=SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CompileError(f"mypyc or the C compiler failed: {error}") from error
    for file in (draft / "build").glob("*.c"):
        if MISTAKEN.search(file.read_text()):
            raise CompileError(f"mypyc mistakes a tuple of numbers in {file.name}: say that it is a tuple[float, ...]")
    shutil.rmtree(draft / "build")


def build() -> None:
    """Compile the package `router` in the current directory, in place."""
    from concurrent.futures import Future, ThreadPoolExecutor
    from typing import Any

    from mypyc.build import mypycify
    from setuptools import setup  # type: ignore[import-untyped]
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

    class Parallel(build_ext):  # type: ignore[misc]
        """The C files of an extension are compiled on all processors."""

        def build_extensions(self) -> None:
            compiler: Any = self.compiler
            one, all_of_it = compiler._compile, compiler.compile
            waiting: list[Future[None]] = []

            def compile_all(*words: Any, **named: Any) -> Any:
                objects = all_of_it(*words, **named)
                while waiting:
                    waiting.pop().result()
                return objects

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                compiler._compile = lambda *words: waiting.append(pool.submit(one, *words))
                compiler.compile = compile_all
                super().build_extensions()

    sources = [f"router/{name}.py" for name in compiled.MODULES]
    extensions = mypycify([*FOR_MYPY, *sources], **OPTIONS)  # type: ignore[arg-type]
    for extension in extensions:
        # Another compiler's new warnings are no reason.
        extension.extra_compile_args = [word for word in extension.extra_compile_args if word != "-Werror"]
    words = ["--quiet", "build_ext", "--inplace"]
    setup(name="router", packages=[], ext_modules=extensions, script_args=words, cmdclass={"build_ext": Parallel})


def _try(draft: Path, python: str) -> None:
    done = subprocess.run([python, "-I", "-B", "-c", TRIAL, draft], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompileError(f"what was compiled cannot be imported:\n{done.stdout}{done.stderr}".strip())


def _settle(draft: Path) -> None:
    """Who runs it cannot write here; and once it is moved in, no power cut leaves less than all of it."""
    compileall.compile_dir(draft, quiet=1)
    for path in [draft, *draft.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        _flush(path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m hostd.install.compiling`: prints the directory, for PYTHONPATH. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hostd.install.compiling", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(__file__).parents[2], help="where router/ lies")
    parser.add_argument("--builds", type=Path, default=BUILDS, help="where builds lie; by default %(default)s")
    parser.add_argument("--python", default=sys.executable, help="the interpreter with which the build is tried")
    find_only = parser.add_mutually_exclusive_group()
    find_only.add_argument("--find", action="store_true", help="make none: exit status 3 if there is none")
    find_only.add_argument("--find-any", action="store_true", help="the same, by whatever compiler it was made")
    options = parser.parse_args(argv)
    try:
        if options.find or options.find_any:
            search = find if options.find else find_any
            place = search(options.project, options.builds)
        else:
            place = compiled_tree(options.project, options.builds, options.python)
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    if place is None:
        return 3
    print(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
