"""The bundled Python buildpack where it needs neither network nor packages: whole builds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildpacks import contract

PACK = contract.FOLDER / "python"
TOOLS = Path(sys.prefix, "bin")
STACK_PYTHON = subprocess.run(
    ["/usr/bin/python3", "-c", "import platform; print(platform.python_version())"],
    capture_output=True,
    text=True,
    check=True,
).stdout.strip()
SERIES = STACK_PYTHON.rpartition(".")[0]
LIBRARIES = "import ssl, sqlite3, ctypes, lzma, bz2, zlib, readline, curses, uuid, hashlib, decimal\n"

pytestmark = pytest.mark.skipif(not Path(TOOLS, "uv").exists(), reason="needs uv beside the tests' interpreter")


@dataclass
class Outcome:
    status: int
    said: str


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in ("app", "cache", "env"):
        (tmp_path / name).mkdir()
    subprocess.run(["cp", "-R", PACK, tmp_path / "pack"], check=True)
    return tmp_path


def compile_app(work: Path, files: dict[str, str]) -> Outcome:
    for name, content in files.items():
        (work / "app" / name).parent.mkdir(exist_ok=True)
        (work / "app" / name).write_text(content)
    done = subprocess.run(
        [work / "pack/bin/compile", work / "app", work / "cache", work / "env"],
        cwd=work / "pack",
        env={
            "PATH": f"/usr/bin:/bin:{TOOLS}",
            "HOME": str(work),
            "UV_OFFLINE": "1",
            "BUILDPACK_LIB": str(contract.LIBRARY),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout)


def release(work: Path) -> str:
    environment = {**os.environ, "BUILDPACK_LIB": str(contract.LIBRARY)}
    return subprocess.run(
        [work / "pack/bin/release", work / "app"], env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.thorough
def test_the_interpreter_comes_along_with_all_it_needs(work: Path) -> None:
    outcome = compile_app(work, {"requirements.txt": ""})
    assert outcome.status == 0, outcome.said
    assert f"-----> Using Python {STACK_PYTHON}\n" in outcome.said
    python = work / "app/.heroku/python/bin/python"
    assert work / "app" in python.resolve().parents
    maps = "print(*{line.split()[-1] for line in open('/proc/self/maps') if '.so' in line}, sep='\\n')"
    done = subprocess.run(
        [python, "-c", LIBRARIES + maps], env={"PATH": "/nowhere"}, capture_output=True, text=True, check=True
    )
    outside = {line for line in done.stdout.split() if not line.startswith(str(work / "app"))}
    assert {Path(line).name.split(".")[0] for line in outside} <= {"ld-linux-x86-64", "libc", "libm", "libpthread"}
    profile = (work / "app/.profile.d/python.sh").read_text()
    assert 'export PATH="$HOME/.heroku/python/bin:$PATH"' in profile
    assert ".heroku/python/bin" in (work / "pack/export").read_text()
    assert release(work) == "---\n"


@pytest.mark.thorough
def test_environment_is_reused_until_something_that_decides_changes(work: Path) -> None:
    files = {"requirements.txt": "-r base.txt\n", "base.txt": "# one\n-c limits.txt\n", "limits.txt": "# a\n"}
    first = compile_app(work, files)
    again = compile_app(work, files)
    assert "Installing dependencies from requirements.txt" in first.said
    assert "Reusing the dependencies of the last build" in again.said
    assert "Reusing" not in compile_app(work, {**files, "limits.txt": "# b\n"}).said
    (work / "env/PIP_INDEX_URL").write_text("http://index.invalid/simple")
    assert "Reusing" not in compile_app(work, {}).said
    assert (work / "app/.heroku/python/bin/python").exists()


@pytest.mark.thorough
def test_failed_install_is_an_error_and_is_not_kept(work: Path) -> None:
    outcome = compile_app(work, {"requirements.txt": "no-such-package-at-all==1\n"})
    assert outcome.status == 1
    assert " !     The dependencies could not be installed: see above.\n" in outcome.said
    assert not (work / "cache/python").exists()


@pytest.mark.parametrize("asked", ["2.7.18", "3.99", "python-3.11.99", "pypy3.10", f"3.11.{'9' * 9999}"])
@pytest.mark.thorough
def test_version_that_is_not_to_be_had_is_refused_with_what_is(work: Path, asked: str) -> None:
    outcome = compile_app(work, {"requirements.txt": "", ".python-version": asked})
    assert outcome.status == 1
    assert " !     .python-version " in outcome.said
    assert "pypy" in asked or "999" in asked or f" !     On this stack: {STACK_PYTHON}.\n" in outcome.said


@pytest.mark.thorough
def test_version_that_cannot_be_downloaded_is_said(work: Path) -> None:
    (work / "env/UV_PYTHON_INSTALL_MIRROR").write_text("http://127.0.0.1:9/nothing")
    outcome = compile_app(work, {"requirements.txt": "", "runtime.txt": "python-3.8"})
    assert outcome.status == 1
    assert " could not be downloaded: see above.\n" in outcome.said
    assert f" !     On this stack: {STACK_PYTHON}.\n" in outcome.said
    assert "UV_PYTHON_INSTALL_MIRROR" in outcome.said


@pytest.mark.thorough
def test_hooks_of_the_app_run_before_and_after(work: Path) -> None:
    hooks = {
        "bin/pre_compile": "#!/bin/bash\necho > requirements.txt\n",
        "bin/post_compile": "#!/bin/bash\necho after; python -c 'import sys; print(sys.prefix)'; exit 3\n",
    }
    outcome = compile_app(work, {"runtime.txt": f"python-{SERIES}", **hooks})
    assert outcome.status == 1
    assert "-----> Running bin/pre_compile\n" in outcome.said
    assert "Installing dependencies from requirements.txt" in outcome.said
    assert " !     The dependencies could not" not in outcome.said


def test_pipfile_without_lock_is_refused_with_the_way_out(work: Path) -> None:
    outcome = compile_app(work, {"Pipfile": "[packages]\n"})
    assert outcome.status == 1
    assert "Make it with `pipenv lock`, and commit it." in outcome.said


def test_django_gets_gunicorn_where_it_is_there(work: Path) -> None:
    manage = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
    for name, content in {"manage.py": manage, "shop/wsgi.py": "", "requirements.txt": ""}.items():
        (work / "app" / name).parent.mkdir(exist_ok=True)
        (work / "app" / name).write_text(content)
    assert "web: python manage.py runserver 0.0.0.0:$PORT\n" in release(work)
    (work / "app/.heroku/python/bin").mkdir(parents=True)
    (work / "app/.heroku/python/bin/gunicorn").touch()
    assert "web: gunicorn shop.wsgi --bind 0.0.0.0:$PORT\n" in release(work)


@pytest.mark.thorough
def test_another_version_comes_by_uv_and_works_as_the_stack_s(work: Path) -> None:
    # What lies on github.com, made here: the stack's interpreter, passed off as another release.
    compile_app(work, {"requirements.txt": ""})
    (stack,) = (work / "app/.heroku/cpython").iterdir()
    archive = work / "cpython.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(stack, "python")
    series = [int(part) for part in SERIES.split(".")]
    release = {
        "name": "cpython",
        "arch": {"family": os.uname().machine, "variant": None},
        **{"os": "linux", "libc": "gnu", "major": series[0], "minor": series[1], "patch": 99, "prerelease": ""},
        **{"url": archive.as_uri(), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(), "variant": None},
    }
    listed = {f"cpython-{SERIES}.99-linux-{os.uname().machine}-gnu": release}
    (work / "downloads.json").write_text(json.dumps(listed))
    (work / "env/UV_PYTHON_DOWNLOADS_JSON_URL").write_text(str(work / "downloads.json"))
    (work / "env/UV_OFFLINE").write_text("false")
    outcome = compile_app(work, {"runtime.txt": f"python-{SERIES}.99"})
    assert outcome.status == 0, outcome.said
    assert f"-----> Using Python {SERIES}.99 (runtime.txt asks for {SERIES}.99)\n" in outcome.said
    python = (work / "app/.heroku/python/bin/python").resolve()
    assert work / "app/.heroku/cpython" in python.parents
    assert "Reusing the dependencies" in compile_app(work, {}).said
