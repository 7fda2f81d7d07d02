"""The Scala buildpack with its example. sbt cannot be reached from here: the app brings a script ./sbt that stands in
for it and drives the real Scala compiler, Debian's, which the apt buildpack brings. What sbt itself does is not tested.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.apps import Deployed, module_app

EXAMPLE = Path(__file__).parents[2] / "examples/hello-scala"
STAND_IN = Path(__file__).parents[1] / "support/sbt"


hello = module_app(
    "hello-scala-example",
    EXAMPLE,
    STAND_IN,
    {".buildpacks": "heroku/apt\nheroku/scala\n", "Aptfile": "scala\nopenjdk-17-jre-headless\n"},
)


def test_sbt_stages_and_the_start_script_runs(hello: Deployed) -> None:
    pushed = hello.pushed
    assert "-----> Scala app detected" in pushed
    assert "-----> Building with the app's ./sbt: compile stage" in pushed
    assert "-Dsbt.boot.directory=/cache/sbt/boot" in pushed
    assert "Default types for buildpack -> web" in pushed
    assert "<h1>Hello from Scala!</h1>" in hello.get().text


def test_the_runtime_comes_with_the_slug(hello: Deployed) -> None:
    hello.scale(web=2)
    java = hello.own_files()["java"]
    assert any(file.startswith("/app/.heroku/jre/") and file.endswith("/libjvm.so") for file in java)


def test_a_second_push_goes_on_from_the_first_and_can_be_rolled_back(hello: Deployed) -> None:
    assert hello.hostctl("run", "ls /app/target").split() == ["universal"]
    pushed = hello.push({"note.txt": "not for the compiler"})
    assert "[info] nothing to compile" in pushed
    assert "Fetching" not in pushed
    assert "Hello from Scala!" in hello.get().text
    hello.hostctl("rollback")
    hello.answers(lambda: hello.get().status == 200)
    assert "note.txt" not in hello.hostctl("run", "ls /app").split()


def test_a_task_that_fails_is_explained(hello: Deployed) -> None:
    hello.hostctl("config:set", "SBT_TASKS=compile publish")
    said = hello.refuses({})
    assert "[error] Not a valid command: publish" in said
    assert " !     sbt failed: see above." in said


def test_an_sbt_that_cannot_be_had_is_said(hello: Deployed, tmp_path: Path) -> None:
    files = {"build.sbt": 'name := "x"\n', "project/build.properties": "sbt.version=0.13.18\n"}
    said = hello.refuses(files, tmp_path)
    assert "project/build.properties asks for sbt 0.13.18; sbt 1 is what can be had." in said
    assert "commit a script ./sbt that brings its own" in said
