"""The runner itself, in a temporary directory: the contract that buildpacks are promised."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from buildpacks import contract, report
from buildpacks.contract import Order, environment, header
from buildpacks.release import Release
from buildpacks.report import Report, UsedBuildpack
from buildpacks.source import PresentSource, TarSource
from tests.compat.buildpacks.trial import checked


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


def archive(files: dict[str, str], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


def run(
    work: Path,
    files: dict[str, str] | bytes,
    *detected: str,
    config: dict[str, str] | None = None,
    **order: Any,
) -> Outcome:
    variables = {
        **environment(stack="debian-12", source_version="abc", request_id="r"),
        "HOME": str(work / "home"),
        "TMPDIR": str(work),
        "BUILD_DIR": str(work / "app"),
        "CACHE_DIR": str(work / "cache"),
        "ENV_DIR": str(work / "env"),
        "BUILDPACK_LIB": str(contract.LIBRARY),
    }
    asked = Order(
        stack_title="Debian-12",
        detected=detected or contract.BUNDLED,
        buildpacks_dir=str(work / "packs" if (work / "packs").exists() else contract.FOLDER),
        **order,
    )
    done = subprocess.run(
        ["/usr/bin/env", "-i", "/bin/bash", contract.RUNNER / "build"],
        input=header(variables, config or {}, asked) + (files if isinstance(files, bytes) else archive(files)),
        capture_output=True,
        check=False,
    )
    said = report.read(done.stderr)
    return Outcome(done.returncode, done.stdout.decode(), said, work / "app", work / "env")


def pack(work: Path, name: str, **scripts: str) -> None:
    for script, text in scripts.items():
        path = work / "packs" / name / "bin" / script
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{text}\n")


def test_a_source_is_taken_in_first_and_built_by_another_order(work: Path) -> None:
    pack(work, "one", detect="echo One", compile="cat $ENV_DIR/MADE")
    manifest = '{"env": {"MADE": {"generator": "secret"}}}'
    taken = run(work, {"top/app.json": manifest, "top/log/x": ""}, source=TarSource(strip=True), only_source=True)
    assert (taken.status, taken.transcript) == (0, "")
    assert taken.report == Report(failed=None, app_json=manifest.encode())
    assert (taken.app / "log/x").exists()
    built = run(work, b"", "one", source=PresentSource(), config={"MADE": "it"})
    assert built.transcript.endswith("One app detected\nit")
    assert built.report.failed is None and built.report.app_json is None and not (built.app / "log/x").exists()


@pytest.mark.parametrize("broken", ["none", "link", "folder"])
def test_what_is_no_app_json_is_not_told(work: Path, broken: str) -> None:
    (work / "app" / "other").write_text("secret")
    if broken == "link":
        (work / "app" / "app.json").symlink_to("other")
    if broken == "folder":
        (work / "app" / "app.json").mkdir()
    assert run(work, b"", source=PresentSource(), only_source=True).report == Report(failed=None)


def test_procfile_app(work: Path) -> None:
    outcome = run(work, {"Procfile": "web: ./serve\n"})
    assert outcome.status == 0
    assert outcome.transcript.startswith(
        "-----> Building on the Debian-12 stack\n"
        "-----> Using buildpack: heroku/procfile\n"
        "-----> Procfile app detected\n"
    )
    assert outcome.report == Report((UsedBuildpack("heroku/procfile", language="Procfile"),), failed=None)
    assert (outcome.app / "Procfile").exists()


def test_first_buildpack_that_detects_wins(work: Path) -> None:
    pack(work, "one", detect="exit 1", compile="exit 1")
    pack(work, "two", detect="echo Two; echo more", compile="echo $PWD; touch here")
    pack(work, "three", detect="echo Three", compile="exit 1")
    outcome = run(work, {}, "one", "two", "three", "absent")
    assert outcome.report.used == (UsedBuildpack("heroku/two", language="Two"),)
    assert " !     Several buildpacks fit this app, and the first is used: heroku/two, heroku/three.\n" in (
        outcome.transcript
    )
    assert outcome.transcript.endswith("/packs/1\n")


def test_procfile_is_not_named_among_others_that_fit(work: Path) -> None:
    for name in ("python", "procfile"):
        pack(work, name, detect="echo X", compile="true")
    assert "Several" not in run(work, {}, "python", "procfile").transcript


def test_nothing_detected(work: Path) -> None:
    outcome = run(work, {"index": ""})
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


def test_environment_of_a_buildpack_is_the_promised_one(work: Path) -> None:
    pack(work, "env", detect="echo E", compile="compgen -e | sort | tr '\\n' ' '")
    seen = set(run(work, {}, "env").transcript.splitlines()[-1].split())
    promised = set(environment(stack="", source_version="", request_id="")) | {"TMPDIR"}
    assert seen - {"PWD", "OLDPWD", "SHLVL", "_"} == promised


def test_stack_may_be_called_as_on_heroku(work: Path) -> None:
    pack(work, "one", detect="echo One", compile="echo on $STACK")
    assert run(work, {}, "one", config={"BUILDPACK_STACK": "heroku-22"}).transcript.endswith("on heroku-22\n")
    assert run(work, {}, "one", config={"BUILDPACK_STACK": "$(x)"}).transcript.endswith("on debian-12\n")


def test_several_in_order_with_exports(work: Path) -> None:
    # The second relies on what the first exports, and unset variables or failing commands there end nothing.
    first = """echo "export TOOL=$PWD/tool" >export; echo ': $unset; false; cd /' >>export; touch "$1/first" """
    pack(work, "one", detect="echo One", compile=first, release='echo "default_process_types: {}"')
    pack(work, "two", detect="[[ $TOOL ]] && echo Two", compile='echo "$TOOL"; ls "$1"')
    outcome = run(work, {}, buildpacks=["heroku/one", "two"])
    assert outcome.report.failed is None
    assert "-----> Using buildpacks:\n       1. heroku/one\n       2. heroku/two\n" in outcome.transcript
    assert "-----> One app detected\n-----> Two app detected\n" in outcome.transcript
    assert outcome.transcript.endswith("/packs/1/tool\nfirst\n")
    assert [used.language for used in outcome.report.used] == ["One", "Two"]


def test_process_types_are_those_of_the_last_buildpack(work: Path) -> None:
    types = 'echo "default_process_types:"; echo "  web: {0}"; echo "config_vars:"; echo "  {0}: x"'
    pack(work, "one", detect="echo One", compile="true", release=types.format("one"))
    pack(work, "two", detect="echo Two", compile="true", release=types.format("two"))
    said = run(work, {}, buildpacks=["one", "two"]).report.release
    assert (said.default_process_types, set(said.config_vars)) == ({"web": "two"}, {"one", "two"})
    pack(work, "silent", detect="echo S", compile="true")
    assert run(work, {}, buildpacks=["one", "silent"]).report.release.default_process_types == {}


def test_buildpacks_of_a_file_in_the_app(work: Path) -> None:
    for name in ("one", "two"):
        pack(work, name, detect=f"echo {name}", compile="true")
    outcome = run(work, {".buildpacks": "# first\n\ntwo\n"}, "one", "two")
    assert [used.name for used in outcome.report.used] == ["heroku/two"]
    outcome = run(work, {".buildpacks": "two\n"}, "one", config={"BUILDPACK_URL": "heroku/one"})
    assert [used.name for used in outcome.report.used] == ["heroku/one"]


def test_buildpacks_of_app_json_come_after_what_the_owner_says(work: Path) -> None:
    for name in ("one", "two"):
        pack(work, name, detect=f"echo {name}", compile="true")
    listed = '{"buildpacks": [{"url": "heroku/two"}, {"url": "heroku/one"}]}'
    outcome = run(work, {"app.json": listed}, "one")
    assert [used.name for used in outcome.report.used] == ["heroku/two", "heroku/one"]
    outcome = run(work, {"app.json": listed}, buildpacks=["one"], config={"BUILDPACK_URL": "heroku/two"})
    assert [used.name for used in outcome.report.used] == ["heroku/one"]


def test_unknown_buildpack_fails_with_the_names(work: Path) -> None:
    pack(work, "one", detect="echo One", compile="true")
    outcome = run(work, {}, buildpacks=["heroku/pearl"])
    assert outcome.report.failed == "buildpack"
    assert 'There is no buildpack "heroku/pearl". Bundled are one; others' in outcome.report.reason


@pytest.mark.parametrize(
    ("detect", "reason"),
    [
        ("exit 1", "not compatible with the buildpack heroku/one: its bin/detect says so (exit status 1)"),
        ("exit 77", "(exit status 77)"),
        ("no-such-program", "cannot be run: see above"),
    ],
)
def test_named_buildpack_whose_detect_fails(work: Path, detect: str, reason: str) -> None:
    pack(work, "one", detect=detect, compile="echo never")
    outcome = run(work, {}, buildpacks=["one"])
    assert outcome.report.failed == "incompatible"
    assert reason in outcome.report.reason
    assert "never" not in outcome.transcript


def test_report_is_asked_of_failed_builds_too(work: Path) -> None:
    pack(work, "one", detect="echo One", compile="exit 3", report='echo "version: 1"; echo hidden >&2; ls -d "$@"')
    outcome = run(work, {}, buildpacks=["one"])
    assert (outcome.report.failed, outcome.report.status) == ("compile", 3)
    assert outcome.report.metadata.startswith("version: 1\n/")
    assert "hidden" not in outcome.transcript


def test_aptfile_that_nobody_reads_is_said(work: Path) -> None:
    for name in ("apt", "one"):
        pack(work, name, detect="echo X", compile="true")
    hint = "The Aptfile is not read: set two buildpacks, heroku/apt and then heroku/one."
    assert hint in run(work, {"Aptfile": "x"}, "one").transcript
    assert "not read" not in run(work, {"Aptfile": "x"}, buildpacks=["apt", "one"]).transcript


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
    assert report.read(done.stderr).failed == "source"
    assert run(work, b"this is no archive").report.failed == "source"
    zipped = run(work, b"PK\x03\x04" + b"x" * 5000)
    assert zipped.report.reason == "The source is a zip archive: send a .tar.gz"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_compressed_source_with_one_folder_at_its_top(work: Path, mode: str) -> None:
    files = {"app-1.0/Procfile": "web: x", "app-1.0/app-1.0": "x", "app-1.0/.env": ""}
    outcome = run(work, archive(files, mode), source=TarSource(strip=True))
    assert outcome.report.failed is None
    assert {path.name for path in outcome.app.iterdir()} == {"Procfile", "app-1.0", ".env"}


def test_folder_at_the_top_of_a_pushed_tree_stays(work: Path) -> None:
    assert run(work, {"app/Procfile": "web: x"}).report.failed == "detect"


def test_files_beyond_the_limit_are_refused_by_name(work: Path) -> None:
    files = {"Procfile": "x", "large one": "x" * 3000, "huge": "x" * 9000}
    outcome = run(work, files, max_file_bytes=2000)
    assert outcome.report.failed == "source"
    assert "name them in .slugignore" in outcome.report.reason
    listed = outcome.transcript.splitlines()[-2:]
    assert [line.split(maxsplit=2)[2] for line in listed] == ["huge", "large one"]


def test_pointers_of_git_lfs_are_named(work: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    outcome = run(work, {"Procfile": "web: x", "a/logo.png": pointer, "about": f"It says: {pointer}"})
    assert " !     1 files are pointers of git LFS" in outcome.transcript
    assert " !     ./a/logo.png\n" in outcome.transcript
    assert outcome.report.failed is None


@pytest.mark.parametrize(
    ("files", "claimed"),
    [
        (["requirements.txt", "Procfile"], "python"),
        (["pyproject.toml"], "python"),
        (["setup.py"], "python"),
        (["Pipfile"], "python"),
        (["Procfile"], "procfile"),
        (["README"], None),
    ],
)
def test_order_of_the_bundled_buildpacks(tmp_path: Path, files: list[str], claimed: str | None) -> None:
    for name in files:
        (tmp_path / name).touch()
    there = [name for name in contract.BUNDLED if (contract.FOLDER / name / "bin/detect").exists()]
    found = [name for name in there if detects(name, tmp_path)]
    assert (found or [None])[0] == claimed


def detects(name: str, app: Path) -> bool:
    return bundled(name, "detect", app).returncode == 0


def bundled(name: str, script: str, app: Path) -> subprocess.CompletedProcess[bytes]:
    folder = contract.FOLDER / name
    env = {"PATH": "/usr/bin:/bin", "BUILDPACK_LIB": str(contract.LIBRARY)}
    return subprocess.run([folder / "bin" / script, app], capture_output=True, check=False, cwd=folder, env=env)


def test_django_gets_a_web_process(tmp_path: Path) -> None:
    assert b"web" not in bundled("python", "release", tmp_path).stdout
    (tmp_path / "manage.py").touch()
    assert b"  web: python manage.py runserver 0.0.0.0:$PORT\n" in bundled("python", "release", tmp_path).stdout


def test_what_the_checker_of_published_buildpacks_tells(work: Path) -> None:
    checker = Path(__file__).parents[1] / "compat/buildpacks/checker/bin"
    for script in checker.iterdir():
        pack(work, "checker", **{script.name: script.read_text().removeprefix("#!/bin/bash\n")})
    pack(work, "one", detect="echo One", compile="true", release="echo 'config_vars: {}'", report="exit 3")
    outcome = run(work, {}, buildpacks=["one", "checker"])
    steps = [(step.name, step.passed, step.text) for step in checked(outcome.transcript)]
    assert steps == [("release", True, "config_vars: {}"), ("report", False, "")]
    pack(work, "two", detect="echo Two", compile="true")
    outcome = run(work, {}, buildpacks=["two", "checker"])
    assert [step.passed for step in checked(outcome.transcript)] == [None, None]
