"""The bundled Python buildpack where it needs neither network nor packages."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildpacks import contract

PACK = contract.FOLDER / "python"
UV = Path(sys.prefix, "bin/uv")
STACK_PYTHON = subprocess.run(
    ["/usr/bin/python3", "-c", "import platform; print(platform.python_version())"],
    capture_output=True,
    text=True,
    check=True,
).stdout.strip()
SERIES = STACK_PYTHON.rpartition(".")[0]

pytestmark = pytest.mark.skipif(not UV.exists(), reason="needs uv beside the interpreter that runs the tests")


@dataclass
class Outcome:
    status: int
    said: str


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in ("app", "cache", "env", "pack"):
        (tmp_path / name).mkdir()
    subprocess.run(["cp", "-R", f"{PACK}/bin", tmp_path / "pack"], check=True)
    return tmp_path


def compile_app(work: Path, files: dict[str, str]) -> Outcome:
    for name, content in files.items():
        (work / "app" / name).write_text(content)
    done = subprocess.run(
        [work / "pack/bin/compile", work / "app", work / "cache", work / "env"],
        cwd=work / "pack",
        env={"PATH": f"/usr/bin:/bin:{UV.parent}", "HOME": str(work), "UV_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout)


def test_app_without_dependencies_gets_an_environment(work: Path) -> None:
    outcome = compile_app(work, {"requirements.txt": ""})
    assert outcome.status == 0
    assert f"-----> Using Python {STACK_PYTHON}\n" in outcome.said
    python = work / "app/.heroku/python/bin/python"
    assert python.resolve() == Path("/usr/bin/python3").resolve()
    profile = (work / "app/.profile.d/python.sh").read_text()
    assert 'export PATH="$HOME/.heroku/python/bin:$PATH"' in profile
    assert ".heroku/python/bin" in (work / "pack/export").read_text()


def test_environment_is_reused_until_something_changes(work: Path) -> None:
    first = compile_app(work, {"requirements.txt": "# one\n"})
    again = compile_app(work, {"requirements.txt": "# one\n"})
    changed = compile_app(work, {"requirements.txt": "# two\n"})
    assert "Installing dependencies from requirements.txt" in first.said
    assert "Reusing the dependencies of the last build" in again.said
    assert "Installing dependencies from requirements.txt" in changed.said
    assert (work / "app/.heroku/python/bin/python").exists()


def test_included_files_decide_too(work: Path) -> None:
    files = {"requirements.txt": "-r base.txt\n", "base.txt": "# one\n-c limits.txt\n", "limits.txt": "# a\n"}
    compile_app(work, files)
    assert "Reusing" in compile_app(work, files).said
    assert "Reusing" not in compile_app(work, {**files, "limits.txt": "# b\n"}).said


def test_failed_install_is_an_error_and_is_not_kept(work: Path) -> None:
    outcome = compile_app(work, {"requirements.txt": "no-such-package-at-all==1\n"})
    assert outcome.status == 1
    assert " !     The dependencies could not be installed: see above.\n" in outcome.said
    assert not (work / "cache/python/venv").exists()


@pytest.mark.parametrize("asked", [STACK_PYTHON, SERIES, "3", f"python-{SERIES}", f"# ours\n{SERIES}\n"])
def test_versions_that_the_stack_has(work: Path, asked: str) -> None:
    outcome = compile_app(work, {"requirements.txt": "", ".python-version": asked})
    assert outcome.status == 0
    assert " !" not in outcome.said


def test_other_patch_release_is_said(work: Path) -> None:
    outcome = compile_app(work, {"requirements.txt": "", "runtime.txt": f"python-{SERIES}.99"})
    assert outcome.status == 0
    assert f" !     runtime.txt asks for Python {SERIES}.99; this stack has Python {STACK_PYTHON}" in outcome.said


@pytest.mark.parametrize("asked", ["2.7.18", "3.99", "python-3.8.1"])
def test_version_that_the_stack_does_not_have_is_refused(work: Path, asked: str) -> None:
    outcome = compile_app(work, {"requirements.txt": "", ".python-version": asked})
    assert outcome.status == 1
    assert f"but this stack has Python {STACK_PYTHON} only.\n" in outcome.said
    assert f" !     Write {SERIES} there" in outcome.said


def test_pipfile_is_refused_with_the_way_out(work: Path) -> None:
    outcome = compile_app(work, {"Pipfile": "[packages]\n"})
    assert outcome.status == 1
    assert "pipenv requirements > requirements.txt" in outcome.said


def test_pyproject_without_dependencies(work: Path) -> None:
    outcome = compile_app(work, {"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = []\n'})
    assert outcome.status == 0
    assert "Installing dependencies from pyproject.toml" in outcome.said


def test_settings_of_pip_reach_uv(work: Path) -> None:
    (work / "env/PIP_INDEX_URL").write_text("http://index.invalid/simple")
    first = compile_app(work, {"requirements.txt": ""})
    (work / "env/PIP_INDEX_URL").unlink()
    assert first.status == 0
    assert "Reusing" not in compile_app(work, {"requirements.txt": ""}).said
