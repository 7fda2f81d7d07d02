"""The Go buildpack with its example: two programs of one module, and modules that are vendored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/hello-go"
APP = "hello-go-example"

VENDORED = {
    "go.mod": "module example.org/app\n\ngo 1.24\n\nrequire example.com/greeting v1.2.0\n",
    "go.sum": "",
    "main.go": """package main

import (
	"net/http"
	"os"

	"example.com/greeting"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(greeting.Text())) })
	http.ListenAndServe(":"+os.Getenv("PORT"), nil)
}
""",
    "vendor/modules.txt": "# example.com/greeting v1.2.0\n## explicit; go 1.21\nexample.com/greeting\n",
    "vendor/example.com/greeting/greeting.go": 'package greeting\n\nfunc Text() string { return "vendored\\n" }\n',
    "bin/go-post-compile": "#!/bin/bash\nls bin\n",
}


@pytest.fixture(scope="module")
def hello(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("hello-go") / "app"
    platform.hostctl("apps:create", APP)
    try:
        platform.hostctl("config:set", "-a", APP, "GO_LINKER_SYMBOL=main.commit")
        yield directory, platform.push(platform.commit(EXAMPLE, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_both_programs_are_built_and_web_answers(platform: Platform, hello: tuple[Path, Finished]) -> None:
    directory, pushed = hello
    assert "-----> Go app detected" in pushed.stderr
    assert re.search(r"-----> Using go1\.24\.\d+ \(go\.mod asks for 1\.24\)", pushed.stderr)
    assert "Default types for buildpack -> beat, web" in pushed.stderr
    commit = platform.git(directory, "rev-parse", "HEAD").stdout.strip()
    page = platform.http_get(APP).text
    assert "<h1>Hello from Go!</h1>" in page
    assert f"commit <code>{commit}</code>" in page


def test_scaled_with_its_worker(
    platform: Platform, hello: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    scale(platform, APP, web=2, beat=1)
    wait_until(lambda: "heartbeat" in platform.hostctl("logs", "-a", APP, "-p", "beat").stdout)
    assert platform.http_get(APP).status == 200


def test_the_slug_has_the_programs_and_no_toolchain(platform: Platform, hello: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=1, beat=0)
    assert "/app/bin/web" in mapped_files(platform, APP)["web"]
    assert foreign_files(platform, APP) == set()
    listed = platform.hostctl("run", "-a", APP, "du -sm /app; find /app -name gofmt; which web").stdout
    assert int(listed.split()[0]) < 50
    assert "gofmt" not in listed
    assert "/app/bin/web" in listed


def test_a_second_push_compiles_only_what_changed_and_can_be_rolled_back(
    platform: Platform, hello: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    directory, _ = hello
    page = (EXAMPLE / "internal/page/page.html").read_text().replace("Hello from Go", "Hello again")
    pushed = platform.push(platform.commit({"internal/page/page.html": page}, directory), APP)
    assert "Installing Go" not in pushed.stderr
    assert "example.org/hello-go/cmd/web" in pushed.stderr
    assert "Hello again" in platform.http_get(APP).text
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: "Hello from Go" in platform.http_get(APP).text, 30)


def test_a_push_that_does_not_compile_harms_nothing(platform: Platform, hello: tuple[Path, Finished]) -> None:
    directory, _ = hello
    refused = platform.push(
        platform.commit({"cmd/web/extra.go": "package main\n\nvar x = y\n"}, directory), APP, check=False
    )
    assert refused.returncode != 0
    assert "cmd/web/extra.go:3:9: undefined: y" in refused.stderr
    assert " !     go install failed: see above." in refused.stderr
    assert platform.http_get(APP).status == 200
    platform.git(directory, "rm", "-q", "cmd/web/extra.go")
    mended = platform.push(platform.commit({}, directory), APP)
    assert "Installing Go" not in mended.stderr


def test_vendored_modules_hooks_and_versions(
    platform: Platform, hello: tuple[Path, Finished], repository: Callable[..., Path], wait_until: Callable[..., object]
) -> None:
    too_new = {**VENDORED, "go.mod": VENDORED["go.mod"].replace("1.24", "1.99")}
    directory = repository(too_new)
    # To the same app, whose cache has the standard library compiled.
    refused = platform.push(directory, APP, "main", "--force", check=False)
    assert "go.mod asks for Go 1.99, which cannot be had." in refused.stderr
    assert re.search(r"Available: 1\.21\.\d+ 1\.22\.\d+ .*1\.27\.\d+", refused.stderr)

    pushed = platform.push(repository({"go.mod": VENDORED["go.mod"]}, directory), APP, "main", "--force")
    assert re.search(r"Running: go install -v -mod=vendor -tags heroku .*example\.org/app", pushed.stderr)
    assert "-----> Running bin/go-post-compile" in pushed.stderr
    wait_until(lambda: platform.http_get(APP).text == "vendored\n", 30)
