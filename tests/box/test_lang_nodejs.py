"""The Node.js buildpack with its Express example, and small apps of the other package managers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.apps import Deployed, module_app

EXAMPLE = Path(__file__).parents[2] / "examples/visitors-express"
INTEGRITY = "sha512-Tpp60P6IUJDTuOq/5Z8cdskzJujfwqfOTkrwIwj7IRISpnkJnT6SyJ4PCPnGMoFjC9ddhal5KVIYtAt97ix05A=="
"""Of ms 2.0.0, which has no dependencies."""
REUSED = "Nothing has changed: reusing those of the last build"

visitors = module_app("visitors-example", EXAMPLE)

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


def test_express_is_built_and_started(visitors: Deployed) -> None:
    pushed = visitors.pushed
    assert "-----> Node.js app detected" in pushed
    assert re.search(r"Using Node\.js 24\.\d+\.\d+, npm 11\.\d+\.\d+\s", pushed)
    assert "added " in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "visitor number" in visitors.get().text
    assert "font-size: 3rem" in visitors.get("/static/style.css").text
    assert visitors.get("/api/visitors").text.startswith('{"visitors":')


def test_node_comes_with_the_slug(visitors: Deployed) -> None:
    visitors.scale(web=2)
    files = {file for files in visitors.own_files().values() for file in files}
    assert "/app/.heroku/node/bin/node" in files
    command = "echo $NODE_ENV $WEB_MEMORY $WEB_CONCURRENCY; which node npm; ls .heroku/node"
    told = visitors.hostctl("run", command).split()
    assert told[:3] == ["production", "512", "1"]
    assert told[3:] == ["/app/.heroku/node/bin/node", "/app/.heroku/node/bin/npm", "LICENSE", "bin", "lib"]


def test_a_second_push_reuses_everything_and_can_be_rolled_back(visitors: Deployed) -> None:
    pushed = visitors.goes_and_comes_back("views/home.ejs", "<h1>Welcome!</h1>", "<h1>Welcome back!</h1>")
    assert REUSED in pushed


def test_a_lock_that_does_not_fit_harms_nothing(visitors: Deployed) -> None:
    original = (EXAMPLE / "package.json").read_text()
    changed = original.replace('"ejs"', '"left-pad": "^1.3.0",\n    "ejs"')
    said = visitors.refuses({"package.json": changed})
    assert " !     package-lock.json does not fit package.json: run `npm install`" in said
    assert REUSED in visitors.push({"package.json": original})


def test_a_version_that_is_not_to_be_had(visitors: Deployed) -> None:
    asking = (EXAMPLE / "package.json").read_text().replace("24.x", "99.x")
    said = visitors.refuses({"package.json": asking})
    assert " !     There is no Node.js 99.x." in said
    assert re.search(r" !     There are releases of (\d+, )*24, .*, 5, 4\.", said)


def test_build_scripts_in_their_order_with_what_only_they_need(visitors: Deployed, tmp_path: Path) -> None:
    scripts = {
        "heroku-prebuild": "echo before && ls",
        "build": "node -e \"require('ms')\" && touch built",
        "heroku-cleanup": "test -e built && ! test -e node_modules/left-pad && echo cleaned",
    }
    files = {"package.json": package(scripts=scripts, devDependencies={"left-pad": "1.3.0"}), "server.js": SERVER}
    pushed = visitors.push(files, tmp_path)
    steps = ["Running heroku-prebuild", "Running build", "Pruning devDependencies", "Running heroku-cleanup", "cleaned"]
    assert [pushed.index(step) for step in steps] == sorted(pushed.index(step) for step in steps)
    assert "There is no lock file" in pushed
    visitors.answers(lambda: visitors.get().text == "172800000 built")
    instead = {**scripts, "build": "exit 9", "heroku-postbuild": scripts["build"]}
    pushed = visitors.push({"package.json": package(scripts=instead, devDependencies={"left-pad": "1.3.0"})}, tmp_path)
    assert "Running heroku-postbuild" in pushed
    assert "Running build" not in pushed


@pytest.mark.parametrize(
    ("node", "lock", "content", "said"),
    [(24, "yarn.lock", YARN_LOCK, r"yarn 1\.22"), (22, "pnpm-lock.yaml", PNPM_LOCK, r"pnpm 10\.\d+")],
)
def test_other_package_managers(
    visitors: Deployed, tmp_path: Path, node: int, lock: str, content: str, said: str
) -> None:
    manifest = package(main="server.js", engines={"node": f"{node}.x"})
    pushed = visitors.push({"package.json": manifest, "server.js": SERVER, lock: content}, tmp_path)
    assert re.search(rf"Using Node\.js {node}\..*, {said}\.\d+\s", pushed)
    visitors.answers(lambda: visitors.get().text == "172800000 not built")
