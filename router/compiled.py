"""Compiled: the modules of the hot path as machine code, made of their source by mypyc when hostd is installed.

A build is a directory that has the whole package, and beside the modules that are compiled what Python takes in their
stead. It is named after everything it was made of, and looked for by what is about to run: no source is ever served by
the build of another.
"""

from __future__ import annotations

import importlib
import sys
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import router

BUILDS = Path("/opt/hostd/compiled")
"""Where those of the installation lie, which belong to root."""

MODULES = (
    "answers", "backend", "blocks", "bridge", "client", "exchange", "fields", "frames", "h2", "heads", "incoming",
    "journal", "judging", "load", "logline", "metrics", "outlet", "packing", "patience", "plane", "pseudo", "record",
    "rest", "search", "settings", "side", "stage", "stream", "tunnel", "turns", "upstream",
)  # fmt: skip
"""What is compiled: what every request goes through. They call each other without Python in between."""


def key(package: Path) -> str:
    """What the builds of this source for this interpreter have in common: the beginning of their names."""
    digest = sha256(f"{sys.hexversion} {EXTENSION_SUFFIXES[0]}\n".encode())
    for file in sorted(package.glob("*.py")):
        text = file.read_bytes()
        digest.update(f"{file.name} {len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()[:20]


def find(package: Path, builds: Path = BUILDS) -> Path | None:
    """The build of a package's source, if there is one: a directory for `sys.path`."""
    return max(builds.glob(f"{key(package)}-*"), key=lambda build: build.stat().st_mtime, default=None)


def use(builds: Path = BUILDS) -> bool:
    """Have the modules that are imported from now on come from the build of this source. False if there is none, or if
    it does not work on this machine, which is said on standard error."""
    build = find(Path(__file__).parent, builds)
    if build is None:
        return False
    places = str(build), str(build / "router")
    sys.path.insert(0, places[0])
    router.__path__.insert(0, places[1])
    try:
        for name in MODULES:
            importlib.import_module(f"router.{name}")
    except ImportError as error:
        print(f"hostd-router: {build} cannot be used, the router is slower without: {error}", file=sys.stderr)
        sys.path.remove(places[0])
        router.__path__.remove(places[1])
        for name in [name for name in sys.modules if name.startswith("router.") and name != __name__]:
            del sys.modules[name]
        return False
    return True


def in_use() -> bool:
    """Whether all of them are machine code in this process."""
    files = (importlib.import_module(f"router.{name}").__file__ or "" for name in MODULES)
    return all(file.endswith(EXTENSION_SUFFIXES[0]) for file in files)


def main() -> int:
    """The command `hostd-router`: a worker, compiled if there is a build for it. Returns its exit status."""
    use()
    from router import worker

    return worker.main()
