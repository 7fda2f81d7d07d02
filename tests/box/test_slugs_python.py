"""The bundled Python buildpack with packages from PyPI, in the forms in which apps name them."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slugs.errors import BuildFailed
from tests.box.slugs_kit import Bench, bench_of_its_own, folder, stream, tree
from units.run import run

PYPROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["itsdangerous"]\n'
BUILD_SYSTEM = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'


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
