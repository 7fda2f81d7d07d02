"""The Clojure buildpack with its example: real Leiningen, Debian's.

Clojars and Maven Central are not reached here: Clojure's own jars come from Debian's packages, by the apt buildpack,
and their repository stands in project.clj. All else about the example is what a user pushes.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.apps import Deployed, module_app

EXAMPLE = Path(__file__).parents[2] / "examples/hello-clojure"
DEBIAN = ':repositories ^:replace [["debian" {:url "file:///app/.apt/usr/share/maven-repo" :checksum :ignore}]]'
UBERJAR = ':uberjar-name "hello.jar"'

# The real CLI is on GitHub: the app brings a bin/clojure, Debian's Clojure, and has no libraries to be fetched.
DEPS = {
    ".buildpacks": "heroku/apt\nheroku/clojure\n",
    "Aptfile": "libclojure-java\n",
    "deps.edn": '{:paths ["src"] :deps {}}\n',
    "src/hello/core.clj": (EXAMPLE / "src/hello/core.clj").read_text(),
    "bin/clojure": '#!/bin/bash\nexec java -cp "src:classes:/app/.apt/usr/share/java/*" clojure.main "$@"\n',
    "bin/build": (
        "#!/bin/bash\nset -euo pipefail\nmkdir classes target\n"
        """clojure -e "(compile 'hello.core)"\ncd classes\n"""
        "for jar in /app/.apt/usr/share/java/{clojure-1.11,spec.alpha,core.specs.alpha}.jar; do jar -xf $jar; done\n"
        "jar -cfe ../target/hello.jar hello.core .\n"
    ),
}


def project() -> str:
    """The example's project.clj, with Debian's repository instead of Clojars and Maven Central."""
    return (EXAMPLE / "project.clj").read_text().replace(":main", f"{DEBIAN}\n  :main")


hello = module_app(
    "hello-clojure-example",
    EXAMPLE,
    {".buildpacks": "heroku/apt\nheroku/clojure\n", "Aptfile": "libclojure-java\n", "project.clj": project()},
)


def test_leiningen_makes_an_uberjar_and_it_runs(hello: Deployed) -> None:
    pushed = hello.pushed
    assert "-----> Clojure (Leiningen) app detected" in pushed
    assert "lein uberjar" in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "<h1>Hello from Clojure!</h1>" in hello.get().text


def test_the_slug_has_a_runtime_and_no_leiningen(hello: Deployed) -> None:
    hello.scale(web=2)
    java = hello.own_files()["java"]
    assert any(file.startswith("/app/.heroku/jre/") and file.endswith("/libjvm.so") for file in java)
    listed = hello.hostctl("run", "ls -A /app; which lein || true").split()
    assert not {".m2", ".lein", "/app/.heroku/lein/bin/lein"} & set(listed)


def test_a_second_push_reuses_all_and_can_be_rolled_back(hello: Deployed) -> None:
    pushed = hello.goes_and_comes_back("src/hello/core.clj", "Hello from Clojure", "Hello again")
    assert "Retrieving" not in pushed
    assert "Fetching" not in pushed


def test_without_an_uberjar_leiningen_starts_the_app(hello: Deployed) -> None:
    pushed = hello.push({"project.clj": project().replace(UBERJAR, "")})
    assert "lein with-profile production compile :all" in pushed
    assert "<h1>Hello again!</h1>" in hello.get().text
    hello.own_files()


def test_a_build_that_fails_says_where_libraries_come_from(hello: Deployed) -> None:
    said = hello.refuses({"project.clj": project().replace("1.11.1", "1.0.404")})
    assert " !     Leiningen failed: see above." in said
    assert "Clojars and Maven Central" in said


def test_an_app_of_deps_edn_is_built_by_its_bin_build(hello: Deployed, tmp_path: Path) -> None:
    pushed = hello.push(DEPS, tmp_path)
    assert "-----> Clojure (deps.edn) app detected" in pushed
    assert "-----> Running bin/build" in pushed
    assert "Default types for buildpack -> web" in pushed
    hello.answers(lambda: "<h1>Hello from Clojure!</h1>" in hello.get().text)
    hello.own_files()
