"""The bundled Scala buildpack where it needs neither Java nor network."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from buildpacks import contract

PACK = contract.FOLDER / "scala"

FAKE_CURL = """#!/bin/bash
while (($#)); do
  case $1 in --output) output=$2 ;; --url) url=$2 ;; esac
  shift
done
cp "$PUBLISHED/${url##*/}" "$output"
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in ("app/project", "cache", "env", "bin", "published"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin/curl").write_text(FAKE_CURL)
    (tmp_path / "bin/curl").chmod(0o755)
    return tmp_path


def script(work: Path, commands: str) -> str:
    """Runs commands in compile's own surroundings, with Java that is there already."""
    text = (PACK / "bin/compile").read_text()
    functions = text.removesuffix("main\n")
    assert functions != text
    java = "jvm_install_tools() { :; }; jvm_install_runtime() { :; }\n"
    arguments = [str(work / name) for name in ("app", "cache", "env")]
    return subprocess.run(
        ["bash", "-c", f"{functions}{java}cd {shlex.quote(arguments[0])}\n{commands}", "compile", *arguments],
        cwd=work,
        env={
            "PATH": f"{work}/bin:{os.defpath}",
            "BUILDPACK_LIB": str(contract.LIBRARY),
            "PUBLISHED": str(work / "published"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


def ask_for(work: Path, version: str) -> None:
    (work / "app/project/build.properties").write_text(f"# sbt\r\n sbt.version = {version}\r\n")


def publish(work: Path, version: str, jar: bytes, checksum: str) -> None:
    (work / f"published/sbt-launch-{version}.jar").write_bytes(jar)
    (work / f"published/sbt-launch-{version}.jar.sha1").write_text(checksum)


def test_the_launcher_of_the_version_is_fetched_and_checked(work: Path) -> None:
    ask_for(work, "1.11.7")
    publish(work, "1.11.7", b"jar", hashlib.sha1(b"jar", usedforsecurity=False).hexdigest())
    said = script(work, 'choose_sbt; echo "$sbt_name: ${sbt[*]}"')
    assert "sbt 1.11.7: java -Xmx1024m" in said
    assert f"-jar {work}/cache/sbt/launchers/1.11.7.jar" in said
    assert "Fetching" not in script(work, "choose_sbt")


def test_a_launcher_with_another_checksum_is_refused(work: Path) -> None:
    ask_for(work, "1.11.7")
    publish(work, "1.11.7", b"jar", "0" * 40)
    assert "does not have the checksum that is published with it" in script(work, "choose_sbt; echo chosen")
    assert not (work / "cache/sbt/launchers/1.11.7.jar").exists()


def test_a_launcher_that_cannot_be_had_is_said(work: Path) -> None:
    ask_for(work, "1.11.7")
    assert "or commit a script ./sbt that brings its own sbt." in script(work, "choose_sbt; echo chosen")


@pytest.mark.parametrize("version", ["0.13.18", "2.0.0", "../../x"])
def test_other_versions_are_refused(work: Path, version: str) -> None:
    ask_for(work, version)
    said = script(work, "choose_sbt; echo chosen")
    assert f"project/build.properties asks for sbt {version}; sbt 1 is what can be had." in said
    assert "chosen" not in said


def test_without_a_version_the_file_to_write_is_named(work: Path) -> None:
    assert "Write it into project/build.properties" in script(work, "choose_sbt")


def test_the_apps_own_script_comes_first_and_gets_the_options(work: Path) -> None:
    ask_for(work, "0.13.18")
    (work / "app/sbt").touch()
    assert script(work, 'SBT_OPTS=-Dmine; choose_sbt; echo "$sbt_name $SBT_OPTS"').endswith("-Dmine\n")


def test_what_sbt_goes_on_from_is_kept_and_leaves_the_slug(work: Path) -> None:
    for name in ("target/scala-2.13/classes/A.class", "target/universal/stage/bin/app", "project/target/x"):
        (work / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (work / "app" / name).write_text(name)
    script(work, "keep_work")
    assert sorted(str(path.relative_to(work / "app")) for path in (work / "app").rglob("*") if path.is_file()) == [
        "target/universal/stage/bin/app"
    ]
    assert script(work, "rm -rf target; take_work; cat target/scala-2.13/classes/A.class") == (
        "target/scala-2.13/classes/A.class"
    )


@pytest.mark.parametrize(
    ("library", "command"),
    [
        ("app.jar", "target/universal/stage/bin/app"),
        ("com.typesafe.play.play-server_2.13-2.9.jar", "target/universal/stage/bin/app -Dhttp.port=$PORT"),
    ],
)
def test_default_web(work: Path, library: str, command: str) -> None:
    for name in ("bin/app", "bin/app.bat", f"lib/{library}"):
        path = work / "app/target/universal/stage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert script(work, "declare_web; cat $pack/release.yml").endswith(f"  web: '{command}'\n")


@pytest.mark.parametrize("name", ["build.sbt", "project/Build.scala"])
def test_detects(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert subprocess.run([PACK / "bin/detect", tmp_path], capture_output=True, check=True).stdout == b"Scala\n"
