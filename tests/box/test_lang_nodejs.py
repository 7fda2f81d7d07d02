"""The Node.js buildpack with its Express example, and small apps of the other package managers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/visitors-express"
APP = "visitors-example"
INTEGRITY = "sha512-Tpp60P6IUJDTuOq/5Z8cdskzJujfwqfOTkrwIwj7IRISpnkJnT6SyJ4PCPnGMoFjC9ddhal5KVIYtAt97ix05A=="
"""Of ms 2.0.0, which has no dependencies."""

SERVER = """
const ms = require("ms");
const built = require("fs").existsSync("built") ? "built" : "not built";
const server = require("http").createServer((request, response) => response.end(`${ms("2 days")} ${built}`));
server.listen(process.env.PORT);
process.on("SIGTERM", () => process.exit(0));
"""
YARN_LOCK = f"""# yarn lockfile v1


ms@2.0.0:
  version "2.0.0"
  resolved "https://registry.yarnpkg.com/ms/-/ms-2.0.0.tgz"
  integrity {INTEGRITY}
"""
PNPM_LOCK = f"""lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      ms:
        specifier: 2.0.0
        version: 2.0.0

packages:

  ms@2.0.0:
    resolution: {{integrity: {INTEGRITY}}}

snapshots:

  ms@2.0.0: {{}}
"""


def package(**more: object) -> str:
    said = {"name": "a", "version": "1.0.0", "private": True, "license": "MIT", "engines": {"node": "24.x"}}
    return json.dumps({**said, "dependencies": {"ms": "2.0.0"}, **more})


@pytest.fixture(scope="module")
def visitors(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("visitors") / "app"
    platform.hostctl("apps:create", APP)
    try:
        yield directory, platform.push(platform.commit(EXAMPLE, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_express_is_built_and_started(platform: Platform, visitors: tuple[Path, Finished]) -> None:
    pushed = visitors[1].stderr
    assert "-----> Node.js app detected" in pushed
    assert re.search(r"Using Node\.js 24\.\d+\.\d+, npm 11\.\d+\.\d+\s", pushed)
    assert "added " in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "visitor number" in platform.http_get(APP).text
    assert "font-size: 3rem" in platform.http_get(APP, "/static/style.css").text
    assert platform.http_get(APP, "/api/visitors").text.startswith('{"visitors":')


def test_node_comes_with_the_slug(platform: Platform, visitors: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    files = {file for files in mapped_files(platform, APP).values() for file in files}
    assert "/app/.heroku/node/bin/node" in files
    assert foreign_files(platform, APP) == set()
    command = "echo $NODE_ENV $WEB_MEMORY $WEB_CONCURRENCY; which node npm; ls .heroku/node"
    told = platform.hostctl("run", "-a", APP, command).stdout.split()
    assert told[:3] == ["production", "512", "1"]
    assert told[3:] == ["/app/.heroku/node/bin/node", "/app/.heroku/node/bin/npm", "LICENSE", "bin", "lib"]


def test_a_second_push_reuses_everything_and_can_be_rolled_back(
    platform: Platform, visitors: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    directory, _ = visitors
    page = (EXAMPLE / "views/home.ejs").read_text().replace("Welcome!", "Welcome back!")
    pushed = platform.push(platform.commit({"views/home.ejs": page}, directory), APP)
    assert "Nothing has changed: reusing those of the last build" in pushed.stderr
    assert "Welcome back!" in platform.http_get(APP).text
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: "<h1>Welcome!</h1>" in platform.http_get(APP).text, 30)


def test_a_lock_that_does_not_fit_harms_nothing(platform: Platform, visitors: tuple[Path, Finished]) -> None:
    directory, _ = visitors
    original = (EXAMPLE / "package.json").read_text()
    changed = original.replace('"ejs"', '"left-pad": "^1.3.0",\n    "ejs"')
    refused = platform.push(platform.commit({"package.json": changed}, directory), APP, check=False)
    assert refused.returncode != 0
    assert " !     package-lock.json does not fit package.json: run `npm install`" in refused.stderr
    assert platform.http_get(APP).status == 200
    mended = platform.push(platform.commit({"package.json": original}, directory), APP)
    assert "Nothing has changed: reusing those of the last build" in mended.stderr


def test_a_version_that_is_not_to_be_had(platform: Platform, visitors: tuple[Path, Finished]) -> None:
    directory, _ = visitors
    asking = (EXAMPLE / "package.json").read_text().replace("24.x", "99.x")
    refused = platform.push(platform.commit({"package.json": asking}, directory), APP, check=False)
    assert " !     There is no Node.js 99.x." in refused.stderr
    assert re.search(r" !     There are releases of (\d+, )*24, .*, 5, 4\.", refused.stderr)


def test_build_scripts_in_their_order_with_what_only_they_need(
    platform: Platform,
    visitors: tuple[Path, Finished],
    repository: Callable[..., Path],
    wait_until: Callable[..., object],
) -> None:
    scripts = {
        "heroku-prebuild": "echo before && ls",
        "build": "node -e \"require('ms')\" && touch built",
        "heroku-cleanup": "test -e built && ! test -e node_modules/left-pad && echo cleaned",
    }
    files = {"package.json": package(scripts=scripts, devDependencies={"left-pad": "1.3.0"}), "server.js": SERVER}
    pushed = platform.push(repository(files), APP, "main", "--force").stderr
    steps = ["Running heroku-prebuild", "Running build", "Pruning devDependencies", "Running heroku-cleanup", "cleaned"]
    assert [pushed.index(step) for step in steps] == sorted(pushed.index(step) for step in steps)
    assert "There is no lock file" in pushed
    wait_until(lambda: platform.http_get(APP).text == "172800000 built", 30)


@pytest.mark.parametrize(
    ("lock", "content", "said"),
    [("yarn.lock", YARN_LOCK, r", yarn 1\.22\.\d+\s"), ("pnpm-lock.yaml", PNPM_LOCK, r", pnpm 10\.\d+\.\d+\s")],
)
def test_other_package_managers(
    platform: Platform,
    visitors: tuple[Path, Finished],
    repository: Callable[..., Path],
    wait_until: Callable[..., object],
    lock: str,
    content: str,
    said: str,
) -> None:
    files = {"package.json": package(main="server.js"), "server.js": SERVER, lock: content}
    pushed = platform.push(repository(files), APP, "main", "--force").stderr
    assert re.search(said, pushed)
    wait_until(lambda: platform.http_get(APP).text == "172800000 not built", 30)
