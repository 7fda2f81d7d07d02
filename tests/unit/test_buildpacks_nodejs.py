"""The Node.js buildpack's decisions: package managers, what can be kept, what is pruned, how an app starts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildpacks import contract
from buildpacks.bundled.nodejs.steps import dependencies, majors, managers, runtime
from buildpacks.bundled.nodejs.steps.managers import Manager
from buildpacks.bundled.nodejs.steps.package import default_web, read
from packkit.say import BuildError

NPM_LOCK = '{"lockfileVersion": 3, "packages": {}}'
BERRY_LOCK = '__metadata:\n  version: 8\n\n"hello@workspace:.":\n  resolution: "hello@workspace:."\n'
PRODUCTION = {"NODE_ENV": "production"}


def write(folder: Path, files: dict[str, str], **package: Any) -> Path:
    for name, content in {"package.json": json.dumps(package), **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "package", "expected"),
    [
        ({}, {}, Manager("npm")),
        ({}, {"engines": {"npm": "10.x"}}, Manager("npm", "10.x")),
        ({"package-lock.json": NPM_LOCK}, {}, Manager("npm", "", "package-lock.json")),
        ({"yarn.lock": "# yarn lockfile v1\n"}, {}, Manager("yarn", "1", "yarn.lock")),
        ({"yarn.lock": "# v1\n"}, {"engines": {"yarn": "1.19.x"}}, Manager("yarn", "1.19.x", "yarn.lock")),
        ({"yarn.lock": BERRY_LOCK}, {}, Manager("berry", "4", "yarn.lock")),
        ({"yarn.lock": BERRY_LOCK}, {"packageManager": "yarn@4.1.0"}, Manager("berry", "4.1.0", "yarn.lock")),
        (
            {"yarn.lock": BERRY_LOCK, ".yarnrc.yml": "yarnPath: .yarn/yarn-3.6.1.cjs\n", ".yarn/yarn-3.6.1.cjs": ""},
            {},
            Manager("berry", "4", "yarn.lock", ".yarn/yarn-3.6.1.cjs"),
        ),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, {}, Manager("pnpm", "10", "pnpm-lock.yaml")),
        ({"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, {}, Manager("pnpm", "7", "pnpm-lock.yaml")),
        (
            {"pnpm-lock.yaml": "lockfileVersion: '6.0'\n", "package-lock.json": NPM_LOCK},
            {"packageManager": "pnpm@8.15.4+sha512.abc"},
            Manager("pnpm", "8.15.4", "pnpm-lock.yaml"),
        ),
    ],
)
def test_which_package_manager(
    tmp_path: Path, files: dict[str, str], package: dict[str, Any], expected: Manager
) -> None:
    write(tmp_path, files, **package)
    assert managers.choose(tmp_path, read(tmp_path)) == expected


def test_locks_of_two_managers_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"package-lock.json": NPM_LOCK, "yarn.lock": ""})
    with pytest.raises(BuildError, match=r"package-lock\.json, yarn\.lock"):
        managers.choose(tmp_path, read(tmp_path))


@pytest.mark.parametrize(
    ("files", "package", "expected"),
    [
        ({"package-lock.json": NPM_LOCK}, {}, True),
        ({}, {}, False),
        ({"package-lock.json": NPM_LOCK, "node_modules/a/index.js": ""}, {}, False),
        ({"package-lock.json": NPM_LOCK, "binding.gyp": ""}, {}, False),
        ({"package-lock.json": NPM_LOCK}, {"scripts": {"postinstall": "x"}}, False),
        ({"package-lock.json": NPM_LOCK}, {"workspaces": ["packages/*"]}, False),
        ({"package-lock.json": '{"packages": {"node_modules/a": {"resolved": "a", "link": true}}}'}, {}, False),
        ({"yarn.lock": BERRY_LOCK}, {}, False),
        ({"yarn.lock": BERRY_LOCK, ".yarnrc.yml": "nodeLinker: node-modules\n"}, {}, True),
        (
            {"yarn.lock": BERRY_LOCK + '"b@workspace:packages/b":\n', ".yarnrc.yml": "nodeLinker: node-modules\n"},
            {},
            False,
        ),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, {}, True),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "pnpm-workspace.yaml": "packages:\n  - a\n"}, {}, False),
    ],
)
def test_what_was_installed_is_kept_only_if_nothing_else_decides(
    tmp_path: Path, files: dict[str, str], package: dict[str, Any], expected: bool
) -> None:
    write(tmp_path, files, **package)
    said = read(tmp_path)
    assert managers.reusable(tmp_path, said, managers.choose(tmp_path, said)) is expected


@pytest.mark.parametrize(
    ("scripts", "config", "development", "prune"),
    [
        ({"start": "x"}, {}, False, False),
        ({"build": "x"}, {}, True, True),
        ({"heroku-postbuild": "x"}, {}, True, True),
        ({"postinstall": "x"}, {}, True, True),
        ({"build": "x"}, {"NPM_CONFIG_PRODUCTION": "true"}, False, False),
        ({"build": "x"}, {"NPM_CONFIG_PRODUCTION": "false"}, True, False),
        ({"start": "x"}, {"NODE_ENV": "staging"}, True, False),
        ({"build": "x"}, {"YARN_PRODUCTION": "true"}, True, True),
    ],
)
def test_what_only_the_build_needs(
    tmp_path: Path, scripts: dict[str, str], config: dict[str, str], development: bool, prune: bool
) -> None:
    write(tmp_path, {"package-lock.json": NPM_LOCK}, scripts=scripts)
    package = read(tmp_path)
    plan = dependencies.plan(tmp_path, package, managers.choose(tmp_path, package), {**PRODUCTION, **config})
    assert (plan.development, plan.prune) == (development, prune)


def test_yarn_from_2_on_installs_all_and_so_always_prunes(tmp_path: Path) -> None:
    write(tmp_path, {"yarn.lock": "__metadata:\n  version: 8\n"})
    package = read(tmp_path)
    manager = managers.choose(tmp_path, package)
    assert manager.name == "berry"
    for config in ({}, {"YARN_PRODUCTION": "true"}):
        assert dependencies.plan(tmp_path, package, manager, {**PRODUCTION, **config}).prune


@pytest.mark.parametrize(
    ("manager", "line", "development", "exact", "expected"),
    [
        ("npm", 11, True, True, "npm ci --include=dev"),
        ("npm", 10, False, True, "npm ci --omit=dev"),
        ("npm", 6, True, True, "npm ci --production=false"),
        ("npm", 2, True, True, "npm install --production=false"),
        ("npm", 10, True, False, "npm install --include=dev"),
        ("yarn", 1, True, True, "yarn install --frozen-lockfile --ignore-engines --production=false"),
        ("berry", 4, True, True, "yarn install --immutable"),
        ("pnpm", 10, False, True, "pnpm install --frozen-lockfile --prod --reporter=append-only"),
    ],
)
def test_commands_that_install(manager: str, line: int, development: bool, exact: bool, expected: str) -> None:
    command = managers.install_command(Manager(manager), line, development=development, exact=exact)
    assert " ".join(command) == expected


def test_commands_that_prune() -> None:
    def command(manager: str, line: int, workspaces: bool = False) -> str:
        return " ".join(managers.prune_command(Manager(manager), line, workspaces=workspaces))

    assert command("npm", 11) == "npm prune --omit=dev"
    assert command("npm", 6) == "npm prune --production"
    assert command("berry", 4, True) == "yarn workspaces focus --all --production"
    assert command("berry", 3) == ""
    assert command("pnpm", 10) == "pnpm prune --prod --ignore-scripts"
    assert command("pnpm", 10, True) == ""


@pytest.mark.parametrize(
    ("files", "package", "expected"),
    [
        ({"server.js": ""}, {"scripts": {"start": "node ."}}, "npm start"),
        ({".pnp.cjs": ""}, {"scripts": {"start": "node ."}}, "yarn start"),
        ({"server.js": "", "main.js": ""}, {"main": "main.js"}, "node server.js"),
        ({"my app.js": ""}, {"main": "my app.js"}, "node 'my app.js'"),
        ({}, {"main": "main.js"}, None),
        ({}, {"main": "../../../etc/passwd"}, None),
    ],
)
def test_how_an_app_starts(
    tmp_path: Path, files: dict[str, str], package: dict[str, Any], expected: str | None
) -> None:
    write(tmp_path, files, **package)
    assert default_web(tmp_path, read(tmp_path)) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "package.json cannot be read"), ("[]", "must hold one object"), ("{} x", "package.json cannot be read")],
)
def test_malformed_package_json_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    write(tmp_path, {"package.json": content})
    with pytest.raises(BuildError, match=reason):
        read(tmp_path)


@pytest.mark.parametrize("text", ["lts/*", "file:../x", "https://example.com/x.tgz", "$(id)"])
def test_engines_must_be_ranges(tmp_path: Path, text: str) -> None:
    write(tmp_path, {}, engines={"node": text})
    with pytest.raises(BuildError, match="not a range of versions"):
        read(tmp_path).engine("node")


def test_lines_of_versions() -> None:
    assert majors.npm_for(8) == "6"
    assert majors.npm_for(99) == majors.npm_for(max(majors.NPM))
    assert majors.pnpm_for("6.1") == "8"
    assert majors.pnpm_for("12.0") == "10"
    assert majors.berry_for(9) == "4"
    assert runtime.unsupported("18.20.8")[0].startswith("Node.js 18 gets no security fixes any more.")
    assert runtime.unsupported(majors.DEFAULT.replace("x", "1.0")) == []
    assert runtime.unsupported("99.0.0") == []


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("npm error `npm ci` can only install packages when your package.json and lock are in sync", "npm install"),
        ("FATAL ERROR: JavaScript heap out of memory", "NODE_OPTIONS"),
        ("gyp ERR! build error", "native code"),
        ("npm error code ENOTFOUND", "could not be reached"),
    ],
)
def test_failures_are_explained(output: str, told: str) -> None:
    assert told in "".join(managers.explain(output, Manager("npm", "", "package-lock.json")))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "1 512 production"),
        ({"DYNO_RAM": "2560"}, "5 512 production"),
        ({"DYNO_RAM": "2560", "WEB_MEMORY": "1024", "NODE_ENV": "staging"}, "2 1024 staging"),
        ({"DYNO_RAM": "2560", "WEB_CONCURRENCY": "3"}, "3 512 production"),
    ],
)
def test_profile_says_how_many_processes_fit(variables: dict[str, str], expected: str) -> None:
    script = contract.FOLDER / "nodejs/profile.d/nodejs.sh"
    command = f'. "{script}"; echo $WEB_CONCURRENCY $WEB_MEMORY $NODE_ENV'
    done = subprocess.run(
        ["bash", "-c", command], env={"PATH": "/bin", "HOME": "/app", **variables}, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == expected
