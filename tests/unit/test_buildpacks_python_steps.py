"""The Python buildpack's decisions: versions, files that name dependencies, locks, Django's errors."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from buildpacks import contract
from buildpacks.bundled.python.steps import dependencies, django, interpreter, pipfile, versions
from buildpacks.bundled.python.steps.versions import Asked
from packkit.say import BuildError

PROJECT = '[project]\nname = "a"\nversion = "1"\n'
LOCKED = 'version = 1\n[[package]]\nname = "a"\nsource = {{ {} }}\n'


@pytest.mark.parametrize(
    ("constraint", "version", "expected"),
    [
        (">=3.11", (3, 11, 2), True),
        (">=3.11,<3.13", (3, 13, 0), False),
        ("==3.11.*", (3, 11, 9), True),
        ("==3.11", (3, 11, 9), True),
        ("==3.11.4", (3, 11, 2), False),
        ("!=3.11.2", (3, 11, 2), False),
        ("~=3.11", (3, 14, 0), True),
        ("~=3.11.3", (3, 11, 2), False),
        ("~=3.11.1", (3, 12, 0), False),
        ("^3.9", (3, 13, 1), True),
        ("^3.12", (3, 11, 2), False),
        ("~3.11", (3, 12, 0), False),
        ("^2.7 || ^3.11", (3, 11, 2), True),
        (">3.11", (3, 11, 2), True),
        ("<=3.11", (3, 11, 2), False),
    ],
)
def test_constraints(constraint: str, version: tuple[int, ...], expected: bool) -> None:
    assert versions.satisfies(constraint, version) is expected


def test_constraint_that_cannot_be_understood_is_named() -> None:
    with pytest.raises(BuildError, match="'three', cannot be understood"):
        versions.satisfies("three", (3,))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({".python-version": "# ours\n\n3.12\n3.11\n"}, Asked("3.12", ".python-version")),
        ({"runtime.txt": "python-3.11.4\r\n", ".python-version": "3.12"}, Asked("3.11.4", "runtime.txt")),
        ({".python-version": "cpython-3.13.1-linux-x86_64-gnu"}, Asked("3.13.1", ".python-version")),
        ({".python-version": ">=3.12"}, Asked(">=3.12", ".python-version", constraint=True)),
        ({"Pipfile.lock": '{"_meta": {"requires": {"python_version": "3.10"}}}'}, Asked("3.10", "Pipfile.lock")),
        (
            {"pyproject.toml": PROJECT + 'requires-python = ">=3.12"'},
            Asked(">=3.12", "pyproject.toml", constraint=True),
        ),
        (
            {"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.10"'},
            Asked("^3.10", "pyproject.toml", constraint=True),
        ),
    ],
)
def test_where_a_version_is_asked_for(tmp_path: Path, files: dict[str, str], expected: Asked | None) -> None:
    write(tmp_path, files)
    assert versions.asked(tmp_path) == expected


def test_the_stack_s_interpreter_is_taken_where_it_will_do() -> None:
    here = versions.written(interpreter.STACK)
    for text in (here, versions.written(interpreter.STACK[:2]), "3"):
        assert interpreter.choose(Asked(text, "x"), lambda: []).of_stack
    assert interpreter.choose(None, lambda: []).of_stack


def test_what_was_installed_is_not_kept_for_another_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    identities = set()
    for stack in ("one", "another"):
        monkeypatch.setattr(interpreter, "_stack_identity", lambda stack=stack: stack)
        identities |= {interpreter.choose(asked, lambda: [(3, 8, 20)]).identity for asked in (None, Asked("3.8", "x"))}
    assert len(identities) == 4


def test_otherwise_the_newest_that_fits_is_taken() -> None:
    published = [(3, 8, 20), (3, 8, 9), (2, 7, 18)]
    assert interpreter.choose(Asked("3.8", "x"), lambda: published).version == (3, 8, 20)
    assert interpreter.choose(Asked("<3", "x", constraint=True), lambda: published).version == (2, 7, 18)
    with pytest.raises(BuildError) as refused:
        interpreter.choose(Asked("3.7", "runtime.txt"), lambda: published)
    assert "runtime.txt asks for Python 3.7, which is not to be had." in refused.value.args
    assert "3.8.20, 2.7.18." in "".join(refused.value.args)


@pytest.mark.parametrize(
    ("files", "source", "unused"),
    [
        ({"requirements.txt": "", "uv.lock": "", "pyproject.toml": PROJECT}, "requirements.txt", ("uv.lock",)),
        ({"Pipfile.lock": "{}", "requirements.txt": ""}, "Pipfile.lock", ("requirements.txt",)),
        ({"uv.lock": "", "pyproject.toml": PROJECT}, "uv.lock", ()),
        ({"poetry.lock": "", "pyproject.toml": PROJECT}, "poetry.lock", ()),
        ({"uv.lock": "", "setup.py": ""}, "setup.py", ()),
        ({"pyproject.toml": "[tool.ruff]\n"}, "", ()),
        ({}, "", ()),
    ],
)
def test_which_file_counts(tmp_path: Path, files: dict[str, str], source: str, unused: tuple[str, ...]) -> None:
    write(tmp_path, files)
    plan = dependencies.plan(tmp_path)
    assert (plan.source, plan.unused) == (source, unused)


@pytest.mark.parametrize(
    ("files", "floating"),
    [
        ({"requirements.txt": "flask\n-r more.txt\n", "more.txt": "-e ./lib\n"}, True),
        ({"requirements.txt": "flask @ git+https://example.com/x@abc\n"}, False),
        ({"requirements.txt": "-r a.txt\n", "a.txt": "-r requirements.txt\n./lib\n"}, True),
        ({"uv.lock": LOCKED.format('editable = "."'), "pyproject.toml": PROJECT}, False),
        ({"uv.lock": LOCKED.format('editable = "libs/b"'), "pyproject.toml": PROJECT}, True),
        ({"poetry.lock": LOCKED.format('type = "directory", url = "b"'), "pyproject.toml": PROJECT}, True),
        ({"Pipfile.lock": '{"default": {"a": {"path": "./a", "editable": true}}}'}, True),
    ],
)
def test_directories_among_the_dependencies_forbid_reuse(tmp_path: Path, files: dict[str, str], floating: bool) -> None:
    write(tmp_path, files)
    assert dependencies.plan(tmp_path).floating is floating


@pytest.mark.parametrize(
    ("extra", "package"),
    [
        ("", False),
        ('[build-system]\nrequires = ["setuptools"]\n', True),
        ('[build-system]\nrequires = ["poetry-core"]\n[tool.poetry]\npackage-mode = false\n', False),
        ("[tool.uv]\npackage = true\n", True),
    ],
)
def test_apps_that_are_packages(tmp_path: Path, extra: str, package: bool) -> None:
    write(tmp_path, {"pyproject.toml": PROJECT + extra})
    assert dependencies.plan(tmp_path).package is package


def test_malformed_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[project\n"})
    with pytest.raises(BuildError, match=r"pyproject\.toml cannot be read"):
        dependencies.plan(tmp_path)


def test_pipfile_lock_becomes_requirements() -> None:
    lock = {
        "_meta": {"sources": [{"url": "https://one/simple"}, {"url": "https://two/simple"}]},
        "default": {
            "flask": {"version": "==3.0", "hashes": ["sha256:a", "sha256:b"], "markers": "python_version >= '3.8'"},
            "celery": {"version": "==5", "extras": ["redis", "sqs"]},
            "tool": {"git": "https://example.com/tool.git", "ref": "abc"},
            "local": {"path": "./local", "editable": True},
        },
        "develop": {"pytest": {"version": "==8"}},
    }
    assert pipfile.requirements(json.loads(json.dumps(lock))).splitlines() == [
        "--index-url https://one/simple",
        "--extra-index-url https://two/simple",
        "celery[redis,sqs]==5",
        "flask==3.0 ; python_version >= '3.8' --hash=sha256:a --hash=sha256:b",
        "-e ./local",
        "tool @ git+https://example.com/tool.git@abc",
    ]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("ModuleNotFoundError: No module named 'whitenoise'", "imports whitenoise"),
        ("ImproperlyConfigured: ... without having set the STATIC_ROOT setting", "need STATIC_ROOT"),
        ("KeyError: 'SECRET_KEY'", "config:set SECRET_KEY="),
        ("ImproperlyConfigured: The SECRET_KEY setting must not be empty.", "config:set SECRET_KEY="),
        ("Set the DATABASE_URL environment variable", "config:set DATABASE_URL="),
        ("anything", "collectstatic --noinput"),
    ],
)
def test_failures_of_collectstatic_are_explained(output: str, told: str) -> None:
    assert told in "".join(django.explain(output))


@pytest.mark.parametrize(
    ("variables", "least", "most"),
    [({}, 2, 2), ({"DYNO_RAM": "128"}, 1, 1), ({"DYNO_RAM": "65536"}, 3, 255), ({"WEB_CONCURRENCY": "7"}, 7, 7)],
)
def test_profile_says_how_many_processes_fit(variables: dict[str, str], least: int, most: int) -> None:
    command = f'. "{contract.FOLDER}/python/profile.d/WEB_CONCURRENCY.sh"; echo $WEB_CONCURRENCY'
    done = subprocess.run(
        ["bash", "-euc", command], env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, check=True
    )
    assert least <= int(done.stdout) <= most


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
