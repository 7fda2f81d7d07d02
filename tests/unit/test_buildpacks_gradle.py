"""The bundled Gradle buildpack: what it makes of Debian's Gradle, and which tasks it chooses."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from buildpacks import contract

PACK = contract.FOLDER / "gradle"


@pytest.fixture(scope="module")
def repoint() -> ModuleType:
    spec = importlib.util.spec_from_file_location("repoint", PACK / "lib/repoint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def constant(text: str) -> bytes:
    return b"\x01" + len(text).to_bytes(2, "big") + text.encode()


def test_only_whole_constants_are_moved(repoint: ModuleType, tmp_path: Path) -> None:
    kept = constant("/usr/share/javascript") + constant("see /usr/share/java") + b"/usr/share/java"
    jar = tmp_path / "gradle-core.jar"
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A.class", constant("/usr/share/java") + constant("/usr/share/gradle") + kept)
        archive.writestr("a.txt", "text")
    assert repoint.repoint_jar(jar, "/tmp/tools")
    with zipfile.ZipFile(jar) as archive:
        assert archive.read("A.class") == (
            constant("/tmp/tools/usr/share/java") + constant("/tmp/tools/usr/share/gradle") + kept
        )
        assert archive.read("a.txt") == b"text"


def test_jars_without_paths_are_left_alone(repoint: ModuleType, tmp_path: Path) -> None:
    jar = tmp_path / "gradle-x.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("A.class", b"nothing")
    before = jar.read_bytes()
    assert not repoint.repoint_jar(jar, "/tmp/tools")
    assert jar.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "text", "tasks"),
    [
        ("build.gradle", "task stage(dependsOn: build)", "stage"),
        ("build.gradle", "tasks.register('stage') { }", "stage"),
        ("build.gradle.kts", 'tasks.register("stage") { }', "stage"),
        ("build.gradle", "task stageAll { }", "build -x test"),
        ("build.gradle", "plugins { id 'application' }", "build installDist -x test"),
        ("build.gradle.kts", "plugins {\n    application\n}\n", "build installDist -x test"),
        ("build.gradle", "id 'org.springframework.boot'\nid 'application'", "build -x test"),
        ("build.gradle", "// an application\nplugins { id 'java' }", "build -x test"),
    ],
)
def test_tasks(tmp_path: Path, name: str, text: str, tasks: str) -> None:
    (tmp_path / name).write_text(text)
    script = (PACK / "bin/compile").read_text()
    functions = script[script.index("choose_tasks()") : script.index("run_gradle()")]
    done = subprocess.run(
        ["bash", "-euc", functions + 'choose_tasks; echo "${tasks[*]}"'],
        cwd=tmp_path,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tasks}\n"


def test_a_wrapper_without_its_jar_is_explained(tmp_path: Path) -> None:
    for folder in ("app", "cache", "env"):
        (tmp_path / folder).mkdir()
    (tmp_path / "app/gradlew").touch()
    done = subprocess.run(
        [PACK / "bin/compile", tmp_path / "app", tmp_path / "cache", tmp_path / "env"],
        cwd=PACK,
        env={"PATH": os.defpath, "BUILDPACK_LIB": str(contract.LIBRARY)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Commit it: git add -f gradle/wrapper/gradle-wrapper.jar" in done.stdout
