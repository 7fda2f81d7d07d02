"""What the buildpacks for the Java family decide: which Java, how much memory, which jar, which certificates."""

from __future__ import annotations

import hashlib
import os
import shlex
import ssl
import subprocess
import zipfile
from pathlib import Path

import pytest

from buildpacks import contract
from buildpacks.lib.jars import attributes, runnable
from buildpacks.lib.truststore import keystore

LIBRARY = contract.LIBRARY
DEBIAN = """
debs_versions() {
  printf '%s\\n' 'default-jre-headless 2:1.17-74' 'openjdk-17-jre-headless 17.0.21.1+2-1~deb12u1' \\
    'openjdk-17-jre-headless 17.0.19+10-1~deb12u2' 'openjdk-8-jre-headless 8u432-b06-2'
}
"""
PEM = ssl.DER_cert_to_PEM_cert(b"one") + "# a comment\n" + ssl.DER_cert_to_PEM_cert(b"another")


def choose(folder: Path, properties: str | None) -> str:
    if properties is not None:
        (folder / "system.properties").write_text(properties)
    library = shlex.quote(str(LIBRARY / "jvm.sh"))
    script = f'set -euo pipefail; source {library}\n{DEBIAN}\n_jvm_choose_version; echo "chosen: $jvm_version"'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={"PATH": os.defpath, "BUILDPACK_LIB": str(LIBRARY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


@pytest.mark.parametrize(
    ("properties", "version"),
    [
        (None, "17"),
        ("maven.version=3.8\n", "17"),
        ("java.runtime.version=17\n", "17"),
        ("# ours\r\n java.runtime.version = 17.0.21.1\r\n", "17"),
        ("java.runtime.version: openjdk-17\n", "17"),
        ("java.runtime.version=1.8\n", "8"),
        ("java.runtime.version=1.8.0_432\n", "8"),
    ],
)
def test_versions_that_can_be_had(tmp_path: Path, properties: str | None, version: str) -> None:
    said = choose(tmp_path, properties)
    assert said.endswith(f"chosen: {version}\n")
    assert " !" not in said


def test_another_patch_release_is_said(tmp_path: Path) -> None:
    said = choose(tmp_path, "java.runtime.version=17.0.3\n")
    assert " !     system.properties asks for Java 17.0.3; 17.0.21.1 is what can be had, and is used.\n" in said


def test_another_maker_is_said(tmp_path: Path) -> None:
    assert "asks for zulu's Java; Debian's OpenJDK 17 is used" in choose(tmp_path, "java.runtime.version=zulu-17\n")


@pytest.mark.parametrize("asked", ["21", "1.7", "latest", "7", "x; rm -rf /"])
def test_other_versions_are_refused_with_the_list(tmp_path: Path, asked: str) -> None:
    said = choose(tmp_path, f"java.runtime.version={asked}\n")
    assert (
        f" !     system.properties asks for Java {asked}, which the Debian packages of this stack do not have.\n"
        in said
    )
    assert " !     Available: 8 17.\n" in said
    assert "chosen" not in said


def test_config_vars_reach_tools_but_never_change_the_build(tmp_path: Path) -> None:
    config = {
        "TOKEN": 'a "b" $c',
        "PATH": "/evil",
        "LD_PRELOAD": "x",
        "JAVA_TOOL_OPTIONS": "x",
        "build": "x",
        "a-b": "x",
    }
    (tmp_path / "env").mkdir()
    for name, value in config.items():
        (tmp_path / "env" / name).write_text(value)
    library = shlex.quote(str(LIBRARY / "jvm.sh"))
    script = f"set -euo pipefail; build=mine env={tmp_path}/env; source {library}; jvm_use_config; env; echo $build"
    environment = {"PATH": os.defpath, "BUILDPACK_LIB": str(LIBRARY)}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert 'TOKEN=a "b" $c' in said
    assert f"PATH={os.defpath}" in said
    assert said[-1] == "mine"
    assert not [line for line in said if line.startswith(("LD_", "JAVA_", "build="))]


def profile(variables: dict[str, str], shown: str) -> str:
    command = f'source {shlex.quote(str(LIBRARY / "jvm-profile.sh"))}; echo "{shown}"'
    environment = {"PATH": os.defpath, "HOME": "/app", **variables}
    return subprocess.run(
        ["bash", "-euc", command], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize(("ram", "heap"), [("512", 300), ("256", 150), ("1024", 671), ("2560", 2048), ("14336", 12328)])
def test_heap_by_the_dynos_memory(ram: str, heap: int) -> None:
    options = profile({"DYNO_RAM": ram}, "$JAVA_TOOL_OPTIONS")
    assert options.split()[0] == f"-Xmx{heap}m"
    assert options.endswith("-Dfile.encoding=UTF-8")


def test_heap_that_the_app_chose_is_left_alone() -> None:
    assert profile({"JAVA_OPTS": "-Xmx64m"}, "${JAVA_TOOL_OPTIONS-none} $JAVA_OPTS") == "none -Xmx64m"
    assert profile({"JAVA_TOOL_OPTIONS": "-Xmx64m"}, "$JAVA_TOOL_OPTIONS") == "-Xmx64m"


def test_database_for_jdbc() -> None:
    variables = {"DATABASE_URL": "postgres://ada:p%40ss@db.example:5432/shop?sslmode=require"}
    assert profile(variables, "$JDBC_DATABASE_URL $JDBC_DATABASE_USERNAME $SPRING_DATASOURCE_PASSWORD") == (
        "jdbc:postgresql://db.example:5432/shop?user=ada&password=p%40ss&sslmode=require ada p%40ss"
    )
    assert profile({"DATABASE_URL": "redis://x"}, "${JDBC_DATABASE_URL-none}") == "none"


def jar(path: Path, manifest: str | None) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "")
        if manifest is not None:
            archive.writestr("META-INF/MANIFEST.MF", manifest)


def test_the_jar_that_runs(tmp_path: Path) -> None:
    main = "Manifest-Version: 1.0\r\nMain-Class: org.example.Ma\r\n in\r\n\r\nName: x\r\nSpring-Boot-Version: 1\r\n"
    jar(tmp_path / "app.jar", main)
    for name in ("app-sources.jar", "app-plain.jar", "original-app.jar"):
        jar(tmp_path / name, main)
    jar(tmp_path / "library.jar", "Manifest-Version: 1.0\n")
    jar(tmp_path / "bare.jar", None)
    (tmp_path / "broken.jar").write_bytes(b"PK no")
    assert runnable(tmp_path) == [("plain", tmp_path / "app.jar")]
    assert attributes(main)["Main-Class"] == "org.example.Main"


def test_spring_boots_jar_is_known(tmp_path: Path) -> None:
    jar(tmp_path / "app.jar", "Main-Class: org.springframework.boot.loader.Launcher\nSpring-Boot-Version: 3.2.0\n")
    assert runnable(tmp_path) == [("spring-boot", tmp_path / "app.jar")]
    assert runnable(tmp_path / "none") == []


def test_truststore_has_each_certificate_once_and_is_sealed() -> None:
    store = keystore(PEM + PEM)
    assert store[:12] == bytes.fromhex("feedfeed 00000002 00000002")
    assert store.count(b"X.509") == 2
    assert b"\0\0\0\x03one" in store
    sealed = "changeit".encode("utf-16-be") + b"Mighty Aphrodite" + store[:-20]
    assert store[-20:] == hashlib.sha1(sealed, usedforsecurity=False).digest()
    assert keystore(PEM) == store
