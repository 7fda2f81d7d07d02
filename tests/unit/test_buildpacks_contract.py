"""The seam between control plane and runner, with the runner itself run in a temporary directory."""

from __future__ import annotations

import base64
import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildpacks import contract
from buildpacks.contract import Report, environment, header, read_report
from buildpacks.release import Release


def test_header_counts_and_terminates() -> None:
    assert header({"A": "1", "B": "x\ny"}, {"C": "é"}) == "2 1\nA=1\0B=x\ny\0C=é\0".encode()


@pytest.mark.parametrize("name", ["../x", "A B", "", "1A", "A=B", "A\nB"])
def test_header_takes_no_name_that_could_be_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a variable"):
        header({}, {name: "x"})


def test_report_of_a_finished_build() -> None:
    release = base64.b64encode(b"default_process_types:\n  web: x\n").decode()
    report = read_report(f"buildpack python\nlanguage Python 3\nrelease {release}\ndone\n".encode())
    assert report == Report("python", "Python 3", Release({"web": "x"}), failed=None)


def test_report_of_a_failure() -> None:
    report = read_report(b"buildpack python\nlanguage Python\nfailed compile 3\n")
    assert (report.failed, report.status) == ("compile", 3)
    assert read_report(b"failed detect\n").failed == "detect"


def test_report_that_was_never_finished_or_forged() -> None:
    assert read_report(b"").failed == ""
    assert read_report(b"failed compile 3\ndone\n").failed == "compile"
    report = read_report(b"language \x1b[31m" + b"x" * 200 + b"\xff\nrelease %%%\ndone\nfailed compile \xc2\xb2\n")
    assert len(report.language) <= 100
    assert report.language.isprintable()
    assert report.status == 0


def test_home_is_not_the_app_and_config_is_not_in_the_environment() -> None:
    variables = environment(stack="debian-12", stack_title="Debian-12", source_version="abc", request_id="r")
    assert variables["HOME"] != variables["BUILD_DIR"]
    assert (variables["STACK"], variables["SOURCE_VERSION"], variables["DYNO"]) == ("debian-12", "abc", "build.1")


@dataclass
class Outcome:
    status: int
    transcript: str
    report: Report
    app: Path
    env: Path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in ("app", "cache", "env", "home"):
        (tmp_path / name).mkdir()
    return tmp_path


def run(work: Path, files: dict[str, str], *buildpacks: str, config: dict[str, str] | None = None) -> Outcome:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    variables = {
        **environment(stack="debian-12", stack_title="Debian-12", source_version="abc", request_id="r"),
        "HOME": str(work / "home"),
        "TMPDIR": str(work),
        "BUILD_DIR": str(work / "app"),
        "CACHE_DIR": str(work / "cache"),
        "ENV_DIR": str(work / "env"),
        "BUILDPACK_LIB": str(contract.LIBRARY),
        "BUILDPACKS_DIR": str(work / "packs" if (work / "packs").exists() else contract.FOLDER),
    }
    done = subprocess.run(
        ["/usr/bin/env", "-i", "/bin/bash", contract.RUNNER / "build", *(buildpacks or contract.BUNDLED)],
        input=header(variables, config or {}) + archive.getvalue(),
        capture_output=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), read_report(done.stderr), work / "app", work / "env")


def pack(work: Path, name: str, **scripts: str) -> None:
    for script, text in scripts.items():
        path = work / "packs" / name / "bin" / script
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")


def test_procfile_app(work: Path) -> None:
    outcome = run(work, {"Procfile": "web: ./serve\n"})
    assert outcome.status == 0
    assert outcome.transcript.startswith("-----> Building on the Debian-12 stack\n-----> Procfile app detected\n")
    assert outcome.report == Report("procfile", "Procfile", Release(), failed=None)
    assert (outcome.app / "Procfile").exists()


def test_first_buildpack_that_detects_wins(work: Path) -> None:
    pack(work, "one", detect="exit 1", compile="exit 1")
    pack(work, "two", detect="echo Two; echo more", compile="echo $PWD")
    pack(work, "three", detect="echo Three", compile="exit 1")
    outcome = run(work, {}, "one", "two", "three")
    assert (outcome.report.buildpack, outcome.report.language) == ("two", "Two")
    assert "/buildpacks/two\n" in outcome.transcript


def test_nothing_detected(work: Path) -> None:
    outcome = run(work, {"index.html": ""})
    assert (outcome.status, outcome.report.failed) == (1, "detect")


def test_failing_compile_gives_its_status(work: Path) -> None:
    pack(work, "bad", detect="echo Bad", compile="echo out; echo err >&2; exit 42", release="echo never")
    outcome = run(work, {}, "bad")
    assert (outcome.status, outcome.report.failed, outcome.report.status) == (1, "compile", 42)
    assert outcome.transcript.endswith("-----> Bad app detected\nout\nerr\n")


def test_report_channel_is_closed_to_buildpacks(work: Path) -> None:
    pack(work, "forger", detect="echo x >&3; echo F", compile="echo release x >&3 || exit 7")
    outcome = run(work, {}, "forger")
    assert (outcome.report.failed, outcome.report.status) == ("compile", 7)


@pytest.mark.parametrize("release", ["exit 1", "", "echo '{['", "head -c 100000 /dev/zero"])
def test_release_may_fail_be_empty_or_malformed(work: Path, release: str) -> None:
    pack(work, "odd", detect="echo Odd", compile="true", release=release)
    outcome = run(work, {}, "odd")
    assert (outcome.status, outcome.report.failed, outcome.report.release) == (0, None, Release())


def test_config_vars_are_files_and_nothing_else(work: Path) -> None:
    pack(work, "env", detect="echo E", compile='echo "${SECRET-unset}"; ls "$3"')
    outcome = run(work, {}, "env", config={"SECRET": "a=b\nc", "EMPTY": ""})
    assert outcome.transcript.endswith("unset\nEMPTY\nSECRET\n")
    assert (outcome.env / "SECRET").read_text() == "a=b\nc"


def test_git_log_tmp_and_slugignore_are_dropped_before_detection(work: Path) -> None:
    pack(work, "list", detect="echo L", compile="cd $1; find . -type f | sort")
    files = {name: "x" for name in (".git/config", "log/a", "tmp/b", "c.pdf", "docs/d.pdf", "docs/e", "test/f")}
    outcome = run(work, {**files, "g/test/h": "x", ".slugignore": "*.pdf\r\n/test\r\n# nothing\r\n"}, "list")
    assert outcome.transcript.endswith("./.slugignore\n./docs/e\n./g/test/h\n")
    assert "-----> Deleting 3 files matching .slugignore patterns.\n" in outcome.transcript


def test_log_that_is_a_link_is_left_alone(work: Path) -> None:
    outside = work / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (work / "app/log").symlink_to(outside)
    run(work, {"Procfile": "web: x"})
    assert (outside / "file").exists()


def test_broken_source(work: Path) -> None:
    done = subprocess.run(["/bin/bash", contract.RUNNER / "build"], input=b"", capture_output=True, check=False)
    assert read_report(done.stderr).failed == "source"


@pytest.mark.parametrize(
    ("files", "claimed"),
    [
        (["requirements.txt", "Procfile"], "python"),
        (["pyproject.toml"], "python"),
        (["setup.py"], "python"),
        (["Pipfile"], "python"),
        (["Procfile"], "procfile"),
        (["index.html"], None),
    ],
)
def test_order_of_the_bundled_buildpacks(tmp_path: Path, files: list[str], claimed: str | None) -> None:
    for name in files:
        (tmp_path / name).touch()
    detects = [contract.FOLDER / name / "bin/detect" for name in contract.BUNDLED]
    found = [
        path.parts[-3] for path in detects if subprocess.run([path, tmp_path], capture_output=True).returncode == 0
    ]
    assert (found or [None])[0] == claimed


def detects(name: str, app: Path) -> bool:
    done = subprocess.run([contract.FOLDER / name / "bin/detect", app], capture_output=True, check=False)
    return done.returncode == 0


def test_django_gets_a_web_process(tmp_path: Path) -> None:
    release = contract.FOLDER / "python/bin/release"
    plain = subprocess.run([release, tmp_path], capture_output=True, check=True).stdout
    (tmp_path / "manage.py").touch()
    django = subprocess.run([release, tmp_path], capture_output=True, check=True).stdout
    assert b"web" not in plain
    assert b"  web: python manage.py runserver 0.0.0.0:$PORT\n" in django
