"""Buildpacks and sources from elsewhere: git repositories and tarballs that builds fetch themselves."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.apps import made
from tests.support.outside import outside
from tests.support.platform import Platform
from tests.support.webfiles import PASSWORD, USER

DETECT = '#!/bin/bash\n[[ -f $1/site.txt ]] && echo "{language}"\n'
COMPILE = """#!/bin/bash
build=$1 cache=$2
echo "-----> {language} {version}, in $(basename "$PWD"), TOOL ${{TOOL:-unset}}"
echo x >>"$cache/{language}"
mkdir -p "$build/public"
echo "{language} {version} $(cat "$build/site.txt") build $(wc -l <"$cache/{language}")" >"$build/public/index.html"
echo "export TOOL={language}-{version}" >export
"""
RELEASE = """#!/bin/bash
echo "default_process_types:"
echo "  web: python3 -m http.server \\$PORT -d public"
echo "config_vars:"
echo "  BAIT: worm"
echo "  not a name: x"
echo "addons:"
echo "- heroku-redis"
"""


def pack(language: str, version: str) -> dict[str, str]:
    """A buildpack as many are that others wrote, without the x bits that some forget."""
    return {
        "bin/detect": DETECT.format(language=language),
        "bin/compile": COMPILE.format(language=language, version=version),
        "bin/release": RELEASE,
    }


@dataclass(frozen=True)
class Web:
    """What is published outside: `url`, and commits and digests by what they are."""

    url: str
    commits: dict[str, str]

    @property
    def with_password(self) -> str:
        """The URL with the credentials of what is private."""
        return self.url.replace("://", f"://{USER}:{quote(PASSWORD, safe='')}@")


@pytest.fixture(scope="module")
def web(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Buildpacks: fish.git at v1 and main, private/fish.git, bird.tgz; an app with a submodule: app.git, lib.git."""
    site, work = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    commits: dict[str, str] = {}

    def commit(name: str, files: dict[str, str]) -> Path:
        folder = platform.commit(files, work / name)
        commits[name] = platform.git(folder, "rev-parse", "HEAD").stdout.strip()
        return folder

    platform.git(commit("fish", pack("Fish", "one")), "tag", "v1")
    commits["fish v1"] = commits["fish"]
    commit("fish", pack("Fish", "two"))
    commit("lib", {"site.txt": "of the library"})
    app = commit("app", {"README": "x"})
    (site / "private").mkdir()
    for name, place in (("fish", "fish"), ("fish", "private/fish"), ("lib", "lib")):
        platform.git(work, "clone", "-q", "--bare", name, str(site / f"{place}.git"))
        platform.git(site / f"{place}.git", "update-server-info")
    with outside(site) as url:
        platform.git(app, "submodule", "--quiet", "add", f"{url}/smart/lib.git", "lib")
        (app / "site.txt").symlink_to("lib/site.txt")
        commit("app", {})
        platform.git(work, "clone", "-q", "--bare", "app", str(site / "app.git"))
        bird = platform.commit(pack("Bird", "one"), work / "bird")
        platform.git(bird, "archive", "--prefix=bird-main/", "-o", str(site / "bird.tgz"), "HEAD")
        commits["bird sha256"] = hashlib.sha256((site / "bird.tgz").read_bytes()).hexdigest()
        yield Web(url, commits)


@pytest.fixture
def checkout(platform: Platform, tmp_path: Path) -> Path:
    """An app that says something."""
    return platform.commit({"site.txt": "hello"}, tmp_path / "app")


def folded(text: str) -> str:
    """A transcript as hostd wrote it."""
    return "\n".join(line.removeprefix("remote: ").rstrip() for line in text.splitlines())


def test_git_repository_at_a_tag_and_again_from_the_cache(
    platform: Platform, web: Web, app: str, checkout: Path
) -> None:
    address = f"{web.url}/smart/fish.git#v1"
    platform.hostctl("buildpacks:set", address, "-a", app)
    said = folded(platform.push(checkout, app).stderr)
    assert f"-----> Using buildpack: {address}\n       Fetched at {web.commits['fish v1'][:12]}\n" in said
    assert "-----> Fish app detected\n-----> Fish one, in 1, TOOL unset\n" in said
    assert "       Default types for buildpack -> web\n       Add-ons that buildpacks suggest -> heroku-redis\n" in said
    assert platform.http_get(app).text == "Fish one hello build 1\n"
    assert json.loads(platform.hostctl("config", "-a", app, "--json").stdout) == {"BAIT": "worm"}
    platform.hostctl("config:unset", "BAIT", "-a", app)
    said = folded(platform.push(platform.commit({"site.txt": "again"}, checkout), app).stderr)
    assert f"       Cached at {web.commits['fish v1'][:12]}\n" in said
    assert platform.http_get(app).text == "Fish one again build 2\n"
    assert json.loads(platform.hostctl("config", "-a", app, "--json").stdout) == {}


def test_tarball_named_by_its_digest_after_another_with_export(
    platform: Platform, web: Web, app: str, checkout: Path
) -> None:
    digest = web.commits["bird sha256"]
    lines = f"# two\n{web.url}/fish.git\n{web.url}/bird.tgz#{digest[:16]}\n"
    said = folded(platform.push(platform.commit({".buildpacks": lines}, checkout), app).stderr)
    fish = f"       1. {web.url}/fish.git\n       Fetched at {web.commits['fish'][:12]}\n"
    assert f"-----> Using buildpacks:\n{fish}       2. {web.url}/bird.tgz#{digest[:16]}\n" in said
    assert "-----> Fish two, in 1, TOOL unset\n-----> Bird app detected\n-----> Bird one, in 2, TOOL Fish-two\n" in said
    assert platform.http_get(app).text == "Bird one hello build 1\n"
    wrong = lines.replace(digest[:16], "0" * 16)
    refused = platform.push(platform.commit({".buildpacks": wrong}, checkout), app, check=False)
    assert refused.returncode == 1
    assert f"its sha256 is {digest}" in folded(refused.stderr)
    assert platform.http_get(app).text == "Bird one hello build 1\n"


def test_credentials_are_sent_and_never_shown(platform: Platform, web: Web, app: str, checkout: Path) -> None:
    address = f"{web.with_password}/smart/private/fish.git"
    platform.hostctl("config:set", f"BUILDPACK_URL={address}", "-a", app)
    said = folded(platform.push(checkout, app).stderr)
    assert f"-----> Using buildpack: {web.url.replace('://', '://***@')}/smart/private/fish.git\n" in said
    info = platform.hostctl("builds:info", "-a", app, check=False).stdout
    output = platform.hostctl("builds:output", "-a", app, check=False).stdout
    journal = platform.run(["journalctl", "--namespace=*", "--since=-10min", "-o", "cat"]).stdout
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert not any(secret in text for text in (said, info, output, journal))
    platform.hostctl("config:set", f"BUILDPACK_URL={web.url}/smart/private/fish.git", "-a", app)
    refused = folded(platform.push(platform.commit({}, checkout), app, check=False).stderr)
    assert "it does not exist or is private: put a user name and a token into the address" in refused


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("{url}/smart/fish.git#v9", 'it has no branch or tag "v9"'),
        ("{url}/absent.git", "not found"),
        ("{url}/absent.tgz", "404"),
        ("{url}/lib.git", "there is no bin/compile in it"),
        ("http://no-such-host.invalid/x.git", "Could not resolve host"),
        ("git@github.com:user/pack.git", "needs an ssh key, and a build has none: use the https:// address"),
        ("heroku/cobol", 'There is no buildpack "heroku/cobol". Bundled are'),
    ],
)
def test_buildpack_that_cannot_be_had_fails_the_push_and_says_why(
    platform: Platform, web: Web, app: str, checkout: Path, reference: str, reason: str
) -> None:
    named = {".buildpacks": reference.format(url=web.url)}
    refused = platform.push(platform.commit(named, checkout), app, check=False)
    assert refused.returncode == 1
    assert reason in folded(refused.stderr)
    assert f"Push rejected: nothing has changed for {app}." in folded(refused.stderr)


def test_submodules_of_a_push_and_of_a_repository(platform: Platform, web: Web, app: str, tmp_path: Path) -> None:
    platform.hostctl("buildpacks:set", f"{web.url}/smart/fish.git#v1", "-a", app)
    clone = tmp_path / "clone"
    platform.git(tmp_path, "clone", "-q", "--branch", "main", f"{web.url}/smart/app.git", str(clone))
    said = folded(platform.push(clone, app).stderr)
    assert f"       Submodule lib: {web.url}/smart/lib.git at {web.commits['lib'][:12]}\n" in said
    assert platform.http_get(app).text == "Fish one of the library build 1\n"
    synced = platform.hostctl("git:sync", f"{web.url}/smart/app.git", "-a", app)
    assert f"Commit {web.commits['app'][:12]}" in synced.stdout + synced.stderr
    assert platform.http_get(app).text == "Fish one of the library build 2\n"


def test_what_is_private_to_one_app_is_not_in_anothers_cache(
    platform: Platform, web: Web, app: str, checkout: Path
) -> None:
    other = f"t-{uuid.uuid4().hex[:10]}"
    with made(platform, other):
        for name, address in ((app, web.with_password), (other, web.url)):
            platform.hostctl("buildpacks:set", f"{address}/smart/private/fish.git#{web.commits['fish']}", "-a", name)
        assert platform.push(checkout, app).returncode == 0
        assert platform.push(checkout, other, check=False).returncode == 1
