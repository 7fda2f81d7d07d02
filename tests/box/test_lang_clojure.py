"""The Clojure buildpack with its example: real Leiningen, Debian's.

Clojars and Maven Central are not reached here: Clojure's own jars come from Debian's packages, by the apt buildpack,
and their repository stands in project.clj. All else about the example is what a user pushes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/hello-clojure"
APP = "hello-clojure-example"
DEBIAN = ':repositories ^:replace [["debian" {:url "file:///app/.apt/usr/share/maven-repo" :checksum :ignore}]]'
UBERJAR = ':uberjar-name "hello.jar"'


def project() -> str:
    """The example's project.clj, with Debian's repository instead of Clojars and Maven Central."""
    return (EXAMPLE / "project.clj").read_text().replace(":main", f"{DEBIAN}\n  :main")


@pytest.fixture(scope="module")
def hello(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("hello-clojure") / "app"
    platform.hostctl("apps:create", APP)
    try:
        platform.commit(EXAMPLE, directory)
        files = {
            ".buildpacks": "heroku/apt\nheroku/clojure\n",
            "Aptfile": "libclojure-java\n",
            "project.clj": project(),
        }
        yield directory, platform.push(platform.commit(files, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_leiningen_makes_an_uberjar_and_it_runs(platform: Platform, hello: tuple[Path, Finished]) -> None:
    pushed = hello[1].stderr
    assert "-----> Clojure (Leiningen) app detected" in pushed
    assert "lein uberjar" in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "<h1>Hello from Clojure!</h1>" in platform.http_get(APP).text


def test_the_slug_has_a_runtime_and_no_leiningen(platform: Platform, hello: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    java = mapped_files(platform, APP)["java"]
    assert any(file.startswith("/app/.heroku/jre/") and file.endswith("/libjvm.so") for file in java)
    assert foreign_files(platform, APP) == set()
    listed = platform.hostctl("run", "-a", APP, "ls -A /app; which lein", check=False).stdout.split()
    assert not {".m2", ".lein", "/app/.heroku/lein/bin/lein"} & set(listed)


def test_a_second_push_reuses_all_and_can_be_rolled_back(
    platform: Platform, hello: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    scale(platform, APP, web=1)
    file = "src/hello/core.clj"
    source = (EXAMPLE / file).read_text().replace("Hello from Clojure", "Hello again")
    pushed = platform.push(platform.commit({file: source}, hello[0]), APP).stderr
    assert "Retrieving" not in pushed
    assert "Fetching" not in pushed
    assert "Hello again" in platform.http_get(APP).text
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: "Hello from Clojure" in platform.http_get(APP).text, 60)


def test_without_an_uberjar_leiningen_starts_the_app(platform: Platform, hello: tuple[Path, Finished]) -> None:
    files = {"project.clj": project().replace(UBERJAR, "")}
    pushed = platform.push(platform.commit(files, hello[0]), APP).stderr
    assert "lein with-profile production compile :all" in pushed
    assert "<h1>Hello again!</h1>" in platform.http_get(APP).text
    assert foreign_files(platform, APP) == set()


def test_a_build_that_fails_says_where_libraries_come_from(platform: Platform, hello: tuple[Path, Finished]) -> None:
    files = {"project.clj": project().replace("1.11.1", "1.0.404")}
    refused = platform.push(platform.commit(files, hello[0]), APP, check=False)
    assert refused.returncode != 0
    assert " !     Leiningen failed: see above." in refused.stderr
    assert "Clojars and Maven Central" in refused.stderr
    assert platform.http_get(APP).status == 200
