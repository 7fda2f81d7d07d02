"""The wrappers that Java apps bring: the Java and Gradle buildpacks run these, and install no tool of Debian's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from buildpacks import contract

# In place of what installs Debian packages.
LIBRARY = f"""
source {contract.LIBRARY}/output.sh
JVM_BUILD_HEAP=-Xmx1g
jvm_install_tools() {{ echo "installed: JDK $*"; }}
for name in jvm_use_config jvm_property jvm_install_runtime jvm_command_for_jar; do eval "$name() {{ :; }}"; done
"""
# Without its x bit, as checkouts of Windows leave it.
WRAPPER = '#!/bin/bash\necho "wrapper: $*"; echo "keeps: $MAVEN_USER_HOME $GRADLE_USER_HOME"; exit "$(cat status)"\n'


def compile_app(folder: Path, pack: str, files: dict[str, str]) -> tuple[int, str]:
    (folder / "lib").mkdir()
    (folder / "lib/jvm.sh").write_text(LIBRARY)
    for name, text in files.items():
        (folder / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "app" / name).write_text(text)
    done = subprocess.run(
        [contract.FOLDER / pack / "bin/compile", folder / "app", folder / "cache", folder / "env"],
        cwd=folder,
        env={"PATH": os.defpath, "BUILDPACK_LIB": str(folder / "lib")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("status", [0, 3])
def test_maven(tmp_path: Path, status: int) -> None:
    files = {"mvnw": WRAPPER, ".mvn/wrapper/maven-wrapper.properties": "", "settings.xml": "", "status": str(status)}
    ended, said = compile_app(tmp_path, "java", files)
    assert "installed: JDK \n-----> Building with the app's Maven wrapper: -DskipTests clean install\n" in said
    assert "wrapper: --settings settings.xml --batch-mode" in said
    assert f"-Dmaven.repo.local={tmp_path}/cache/maven/repository -DskipTests clean install\n" in said
    assert f"keeps: {tmp_path}/cache/maven" in said
    assert (ended, "Maven failed: see above." in said) == ((1, True) if status else (0, False))


@pytest.mark.parametrize("status", [0, 3])
def test_gradle(tmp_path: Path, status: int) -> None:
    files = {"gradlew": WRAPPER, "gradle/wrapper/gradle-wrapper.jar": "", "status": str(status)}
    ended, said = compile_app(tmp_path, "gradle", files)
    assert "installed: JDK \n-----> Building with the app's Gradle wrapper: build -x test\n" in said
    assert "wrapper: --no-daemon --console=plain -Dorg.gradle.jvmargs=-Xmx1g build -x test\n" in said
    assert f"keeps:  {tmp_path}/cache/gradle" in said
    assert (ended, "Gradle failed: see above." in said) == ((1, True) if status else (0, False))
