"""The Scala buildpack with its example. sbt cannot be reached from here: the app brings a script ./sbt that stands in
for it and drives the real Scala compiler, Debian's, which the apt buildpack brings. What sbt itself does is not tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/hello-scala"
STAND_IN = Path(__file__).parents[1] / "support/sbt"
APP = "hello-scala-example"


@pytest.fixture(scope="module")
def hello(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("hello-scala") / "app"
    platform.hostctl("apps:create", APP)
    try:
        platform.commit(EXAMPLE, directory)
        platform.commit(STAND_IN, directory)
        files = {".buildpacks": "heroku/apt\nheroku/scala\n", "Aptfile": "scala\nopenjdk-17-jre-headless\n"}
        yield directory, platform.push(platform.commit(files, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_sbt_stages_and_the_start_script_runs(platform: Platform, hello: tuple[Path, Finished]) -> None:
    pushed = hello[1].stderr
    assert "-----> Scala app detected" in pushed
    assert "-----> Building with the app's ./sbt: compile stage" in pushed
    assert "-Dsbt.boot.directory=/cache/sbt/boot" in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "<h1>Hello from Scala!</h1>" in platform.http_get(APP).text


def test_the_runtime_comes_with_the_slug(platform: Platform, hello: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    java = mapped_files(platform, APP)["java"]
    assert any(file.startswith("/app/.heroku/jre/") and file.endswith("/libjvm.so") for file in java)
    assert foreign_files(platform, APP) == set()


def test_a_second_push_goes_on_from_the_first_and_can_be_rolled_back(
    platform: Platform, hello: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    scale(platform, APP, web=1)
    listed = platform.hostctl("run", "-a", APP, "ls /app/target").stdout.split()
    assert listed == ["universal"]
    pushed = platform.push(platform.commit({"note.txt": "not for the compiler"}, hello[0]), APP).stderr
    assert "[info] nothing to compile" in pushed
    assert "Fetching" not in pushed
    assert "Hello from Scala!" in platform.http_get(APP).text
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: platform.http_get(APP).status == 200, 60)


def test_a_task_that_fails_is_explained(platform: Platform, hello: tuple[Path, Finished]) -> None:
    platform.hostctl("config:set", "-a", APP, "SBT_TASKS=compile publish")
    refused = platform.push(platform.commit({}, hello[0]), APP, check=False)
    assert refused.returncode != 0
    assert "[error] Not a valid command: publish" in refused.stderr
    assert " !     sbt failed: see above." in refused.stderr
    assert platform.http_get(APP).status == 200


def test_an_sbt_that_cannot_be_had_is_said(app: str, repository: Callable[..., Path], platform: Platform) -> None:
    files = {"build.sbt": 'name := "x"\n', "project/build.properties": "sbt.version=0.13.18\n"}
    refused = platform.push(repository(files), app, check=False)
    assert "project/build.properties asks for sbt 0.13.18; sbt 1 is what can be had." in refused.stderr
    assert "commit a script ./sbt that brings its own" in refused.stderr
