"""The compiled router: what is built, when it is taken, and that it does what the source says."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hostd.install import compiling
from hostd.install.compiling import CompileError, compiled_tree, find
from router import compiled

ROOT = Path(__file__).parents[2]
SAY = "import sys; from router import compiled; print(compiled.use(%r)); import router.client as c; print(c.__file__)"
SUITES = {
    "rules": ["test_router_conformance.py", "test_router_parts.py", "test_router_passing.py", "test_router_metrics.py"],
    "faults": ["test_router_faults.py", "test_router_codes.py", "test_router_limits.py", "test_router_retries.py"],
    "attacks": ["test_router_smuggling.py", "test_router_fuzz.py"],
}


@pytest.fixture
def project(tmp_path):
    """A checkout to be changed."""
    place = tmp_path / "project"
    shutil.copytree(ROOT / "router", place / "router", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


@pytest.fixture
def compilations(monkeypatch):
    """Compiles nothing, but counts how often."""
    made = []
    monkeypatch.setattr(compiling, "_compile", made.append)
    monkeypatch.setattr(compiling, "_try", lambda draft, python: None)
    monkeypatch.setattr(compiling.compileall, "compile_dir", lambda draft, quiet: None)
    return made


def started(project, builds):
    """Whether a worker of this source takes a build, and from where its modules come."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", SAY.replace("%r", f"__import__('pathlib').Path({str(builds)!r})")],
        cwd=project, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    took, file = done.stdout.split()
    return took == "True", Path(file), done.stderr


def test_what_is_compiled_is_there():
    assert len(set(compiled.MODULES)) == len(compiled.MODULES)
    assert [name for name in compiled.MODULES if not (ROOT / "router" / f"{name}.py").is_file()] == []


def test_a_build_is_made_once_for_each_source(project, tmp_path, compilations):
    builds = tmp_path / "builds"
    first = compiled_tree(project, builds)
    assert compiled_tree(project, builds) == first == find(project, builds)
    assert len(compilations) == 1
    (project / "router" / "new.py").touch()
    assert find(project, builds) is None
    second = compiled_tree(project, builds)
    assert (second != first, len(compilations)) == (True, 2)
    assert sorted(path.name for path in builds.iterdir()) == sorted([".lock", first.name, second.name])


def test_a_build_is_roots_to_write(project, tmp_path, compilations):
    build = compiled_tree(project, tmp_path / "builds")
    assert {path.stat().st_mode & 0o022 for path in [build, *build.rglob("*")]} == {0}


@pytest.mark.thorough
def test_a_worker_takes_the_build_of_its_own_source(project, tmp_path, compilations):
    builds = tmp_path / "builds"
    build = compiled_tree(project, builds)
    assert started(project, builds)[:2] == (True, build / "router" / "client.py")


@pytest.mark.thorough
def test_a_changed_source_is_never_served_by_an_old_build(project, tmp_path, compilations):
    builds = tmp_path / "builds"
    compiled_tree(project, builds)
    with (project / "router" / "settings.py").open("a") as file:
        file.write("\n")
    assert started(project, builds)[:2] == (False, project / "router" / "client.py")


@pytest.mark.thorough
def test_a_worker_goes_without_a_build_that_does_not_work(project, tmp_path, compilations):
    builds = tmp_path / "builds"
    build = compiled_tree(project, builds)
    (build / "router" / "upstream.py").write_text("raise ImportError('undefined symbol')\n")
    took, file, said = started(project, builds)
    assert (took, file) == (False, project / "router" / "client.py")
    assert f"{build} cannot be used, the router is slower without: undefined symbol" in said


def test_what_a_killed_compiler_left_goes_with_the_next(project, tmp_path, compilations):
    builds = tmp_path / "builds"
    (builds / f"{compiling.DRAFT}killed" / "router").mkdir(parents=True)
    build = compiled_tree(project, builds)
    assert sorted(path.name for path in builds.iterdir()) == sorted([".lock", build.name])


def test_a_full_disk_leaves_nothing(project, tmp_path, compilations, monkeypatch):
    def full(draft):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compiling, "_settle", full)
    with pytest.raises(CompileError, match="No space left on device"):
        compiled_tree(project, tmp_path / "builds")
    assert [path.name for path in (tmp_path / "builds").iterdir()] == [".lock"]


def test_without_a_compiler_the_cause_is_told(project, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(compiling.sysconfig, "get_config_var", lambda name: "no-such-gcc -pthread")
    assert compiling.main(["--project", str(project), "--builds", str(tmp_path)]) == 1
    assert "there is no C compiler no-such-gcc" in capsys.readouterr().err
    assert compiling.main(["--project", str(project), "--builds", str(tmp_path), "--find-any"]) == 3


def test_a_tuple_that_mypyc_mistakes_is_found():
    """Its negation of `f0 == -113.0 && PyErr_Occurred()`."""
    assert compiling.MISTAKEN.search("if (likely(cpy_r_r5.f0 != -113.0 && PyErr_Occurred())) goto CPyL8;")
    assert not compiling.MISTAKEN.search("if (unlikely(cpy_r_r4.f0 == -113.0 && PyErr_Occurred())) {")


@pytest.mark.thorough
@pytest.mark.parametrize("suite", SUITES)
def test_the_compiled_router_does_as_its_source_says(suite):
    """The tests of the source, by the compiled router."""
    files = [f"tests/unit/{name}" for name in SUITES[suite]]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    env |= {"HOSTD_TEST_COMPILED": "yes", "HOSTD_TEST_FUZZ": "400"}
    argv = [sys.executable, "-m", "pytest", "-x", *files]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.thorough
def test_every_module_is_machine_code():
    say = "import sys; sys.path.insert(0, sys.argv[1]); from router import compiled; print(compiled.in_use())"
    argv = [sys.executable, "-B", "-P", "-c", say, compiled_tree(ROOT)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "True\n"
