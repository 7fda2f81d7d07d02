"""The bundled Clojure buildpack where it needs neither Java nor network."""

from __future__ import annotations

import os
import shlex
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from buildpacks import contract

PACK = contract.FOLDER / "clojure"
SOURCES = (contract.LIBRARY / "jvm.sh", PACK / "lib/lein.sh", PACK / "lib/cli.sh")

FAKE_CURL = """#!/bin/bash
while (($#)); do
  case $1 in --output) output=$2 ;; --url) echo "$2" >>"$LOG" ;; esac
  shift
done
[[ -f $ARCHIVE ]] || { echo 'curl: (6) Could not resolve host: github.com' >&2; exit 6; }
cp "$ARCHIVE" "$output"
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in ("app", "cache", "env", "bin", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/curl").write_text(FAKE_CURL)
    (tmp_path / "bin/curl").chmod(0o755)
    return tmp_path


def script(work: Path, commands: str, **variables: str) -> str:
    sources = "".join(f"source {shlex.quote(str(source))}\n" for source in SOURCES)
    start = f"set -euo pipefail\n{sources}build={work}/app cache={work}/cache env={work}/env pack={PACK}\n"
    environment = {
        "PATH": f"{work}/bin:{os.defpath}",
        "BUILDPACK_LIB": str(contract.LIBRARY),
        "TMPDIR": str(work / "tmp"),
        "ARCHIVE": str(work / "clojure.tar.gz"),
        "LOG": str(work / "log"),
        "HOME": str(work / "app"),
    }
    return subprocess.run(
        ["bash", "-c", start + commands],
        cwd=work / "app",
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


def publish_cli(work: Path) -> None:
    """An archive laid out as the Clojure CLI's is."""
    files = {
        "clojure": b"#!/bin/bash\ninstall_dir=PREFIX\ncat $install_dir/deps.edn\nls $install_dir/libexec\n",
        "clj": b"#!/bin/bash\nbin_dir=BINDIR\n",
        "deps.edn": b"{:root :deps}\n",
        "exec.jar": b"",
        "clojure-tools-1.2.3.4.jar": b"",
    }
    with tarfile.open(work / "clojure.tar.gz", "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"clojure-tools/{name}")
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, BytesIO(content))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (':uberjar-name "app.jar"', "app.jar"),
        (':main a\n :uberjar-name\n   "app.jar")', "app.jar"),
        (';; :uberjar-name "old.jar"\n', ""),
        (':uberjar-name "app.jar" ; not :uberjar-name "x.jar"', "app.jar"),
        (':description "a; b" :uberjar-name "app.jar"', "app.jar"),
        ("(defproject a)", ""),
    ],
)
def test_settings_of_project_clj(work: Path, text: str, value: str) -> None:
    (work / "app/project.clj").write_text(text)
    assert script(work, "lein_setting uberjar-name").strip() == value


def test_debians_script_is_pointed_at_its_own_jar(work: Path) -> None:
    tree = work / "app/.heroku/jre"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/lein").write_text("LEIN_JAR=/usr/share/java/leiningen-1.jar\necho $LEIN_JAR\n")
    script(work, f"lein_script {tree} {work}/app/lein")
    assert "$HOME/.heroku/jre/usr/share/java/leiningen-1.jar" in (work / "app/lein").read_text()
    assert os.access(work / "app/lein", os.X_OK)


def test_the_cli_is_fetched_once_and_knows_its_place(work: Path) -> None:
    publish_cli(work)
    shown = script(work, "cli_install; clojure", CLOJURE_CLI_VERSION="1.2.3.4")
    assert "-----> Fetching the Clojure CLI 1.2.3.4\n{:root :deps}\nclojure-tools-1.2.3.4.jar\nexec.jar\n" in shown
    assert (work / "log").read_text().count("/1.2.3.4/clojure-tools-1.2.3.4.tar.gz") == 1
    again = script(work, "cli_install; $HOME/.heroku/clojure/bin/clojure", CLOJURE_CLI_VERSION="1.2.3.4")
    assert again == "{:root :deps}\nclojure-tools-1.2.3.4.jar\nexec.jar\n"


def test_a_cli_that_cannot_be_fetched_is_said_and_not_kept(work: Path) -> None:
    shown = script(work, "cli_install", CLOJURE_CLI_VERSION="1.2.3.4")
    assert " !     The Clojure CLI 1.2.3.4 could not be fetched from https://github.com/clojure/brew-install/" in shown
    assert list((work / "cache").iterdir()) == []
    assert "which is not a version" in script(work, "cli_install", CLOJURE_CLI_VERSION="1.2/../../x")


@pytest.mark.parametrize(("name", "said"), [("project.clj", "(Leiningen)"), ("deps.edn", "(deps.edn)")])
def test_detects(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / name).touch()
    done = subprocess.run([PACK / "bin/detect", tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == f"Clojure {said}\n"
