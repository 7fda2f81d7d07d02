"""The bundled Python buildpack with packages from PyPI, in the forms in which apps name them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from slugs.errors import BuildFailed
from tests.box.slugs_kit import Bench, bench_of_its_own, folder, stream, tree
from units.run import run

PYPROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["itsdangerous"]\n'
BUILD_SYSTEM = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
DIGEST = "2c2349112351b88699d8d4b6b075022c0808887cb7ad10069318a8b0bc88db44"
"""Of the wheel of itsdangerous 2.1.2."""

POETRY = """[project]
name = "hello"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["itsdangerous (>=2.1,<3)"]
[tool.poetry]
package-mode = false
[tool.poetry.group.dev.dependencies]
click = "*"
[build-system]
requires = ["poetry-core>=2.0.0,<3.0.0"]
build-backend = "poetry.core.masonry.api"
[[tool.poetry.source]]
name = "index"
url = "https://pypi.org/simple/"
priority = "primary"
"""
POETRY_LOCK = """
[[package]]
name = "itsdangerous"
version = "2.2.0"
description = "Safely pass data to untrusted environments and back."
optional = false
python-versions = ">=3.8"
groups = ["main"]
files = [
    {file = "itsdangerous-2.2.0-py3-none-any.whl", \
hash = "sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef"},
]

[package.source]
type = "legacy"
url = "https://pypi.org/simple"
reference = "index"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "4a9b3020ce619eb72b8d6f2159143c06cc4ae287b1bae25e3d938d70cff072a6"
"""


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with bench_of_its_own() as bench:
        yield bench


async def test_pyproject_with_a_package_and_its_script(bench: Bench) -> None:
    files = {
        "pyproject.toml": PYPROJECT + '[project.scripts]\nserve = "app:main"\n' + BUILD_SYSTEM,
        "src/app/__init__.py": "import itsdangerous\ndef main(): print('served')\n",
    }
    slug = await bench.build(stream(tree(files)))
    assert "+ itsdangerous==" in bench.text
    script = bench.pool.slug(slug.slug_id) / ".heroku/python/bin/serve"
    assert script.read_text().startswith("#!/app/.heroku/python/bin/python")


async def test_lock_file_of_uv_decides(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.replace("itsdangerous", "itsdangerous<2.2"))
    environment = {**os.environ, "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    uv = str(Path(sys.prefix, "bin/uv"))
    run([uv, "lock", "--quiet", "--python", "/usr/bin/python3"], cwd=tmp_path, env=environment, timeout=60)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    await bench.build(stream(folder(tmp_path)))
    assert "Installing dependencies from uv.lock" in bench.text
    assert "+ itsdangerous==2.1" in bench.text


async def test_setup_py_brings_its_requirements(bench: Bench) -> None:
    setup = 'from setuptools import setup\nsetup(name="x", version="1", py_modules=["x"], install_requires=["click"])\n'
    await bench.build(stream(tree({"setup.py": setup, "x.py": ""})))
    assert "+ click==" in bench.text
    assert "+ x==1" in bench.text


async def test_missing_package_fails_with_the_tool_s_words(bench: Bench) -> None:
    with pytest.raises(BuildFailed, match="Failed to compile the Python app"):
        await bench.build(stream(tree({"requirements.txt": "flask==0.0.404\n"})))
    assert "flask==0.0.404" in bench.text
    assert " !     The dependencies could not be installed: see above.\n" in bench.text
    assert bench.leftovers() == []


async def test_changed_requirements_are_installed(bench: Bench) -> None:
    await bench.build(stream(tree({"requirements.txt": "click==8.1.7\n"})))
    await bench.build(stream(tree({"requirements.txt": "click==8.1.8\n"})))
    assert "+ click==8.1.8" in bench.text


async def test_lock_of_pipenv_decides_with_its_hashes(bench: Bench) -> None:
    lock: dict[str, Any] = {
        "_meta": {"requires": {"python_version": "3"}, "sources": [{"url": "https://pypi.org/simple"}]},
        "default": {"itsdangerous": {"version": "==2.1.2", "hashes": [f"sha256:{DIGEST}"]}},
        "develop": {"click": {"version": "==8.1.8"}},
    }
    await bench.build(stream(tree({"Pipfile": "", "Pipfile.lock": json.dumps(lock)})))
    assert "+ itsdangerous==2.1.2" in bench.text
    assert "click" not in bench.text
    lock["default"]["itsdangerous"]["hashes"] = [f"sha256:{'0' * 64}"]
    with pytest.raises(BuildFailed):
        await bench.build(stream(tree({"Pipfile.lock": json.dumps(lock)})))
    assert "Hash mismatch for `itsdangerous==2.1.2`" in bench.text


async def test_lock_of_poetry_decides(bench: Bench) -> None:
    slug = await bench.build(stream(tree({"pyproject.toml": POETRY, "poetry.lock": POETRY_LOCK})))
    assert "Installing dependencies from poetry.lock" in bench.text
    assert "Installing itsdangerous (2.2.0)" in bench.text
    environment = bench.pool.slug(slug.slug_id) / ".heroku/python"
    assert list(environment.glob("lib/python3*/site-packages/itsdangerous/__init__.py"))
    assert not list(environment.glob("**/poetry"))


async def test_package_that_is_compiled_finds_the_headers(bench: Bench) -> None:
    requirements = "--no-binary markupsafe\nmarkupsafe==3.0.2\n"
    slug = await bench.build(stream(tree({"requirements.txt": requirements})))
    assert "Built markupsafe==3.0.2" in bench.text
    libraries = bench.pool.slug(slug.slug_id) / ".heroku/python/lib"
    assert list(libraries.glob("python3*/site-packages/markupsafe/_speedups.*.so"))
