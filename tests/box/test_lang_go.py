"""The Go buildpack with its example: two programs of one module, and modules that are vendored."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.support.apps import Deployed, module_app

EXAMPLE = Path(__file__).parents[2] / "examples/hello-go"

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


hello = module_app("hello-go-example", EXAMPLE, config={"GO_LINKER_SYMBOL": "main.commit"})


def test_both_programs_are_built_and_web_answers(hello: Deployed) -> None:
    assert "-----> Go app detected" in hello.pushed
    assert re.search(r"-----> Using go1\.24\.\d+ \(go\.mod asks for 1\.24\)", hello.pushed)
    assert "Default types for buildpack -> beat, web" in hello.pushed
    commit = hello.platform.git(hello.directory, "rev-parse", "HEAD").stdout.strip()
    page = hello.get().text
    assert "<h1>Hello from Go!</h1>" in page
    assert f"commit <code>{commit}</code>" in page


def test_scaled_with_its_worker(hello: Deployed, wait_until: Callable[..., object]) -> None:
    hello.scale(web=2, beat=1)
    wait_until(lambda: "heartbeat" in hello.hostctl("logs", "-p", "beat"))
    assert hello.get().status == 200


def test_the_slug_has_the_programs_and_no_toolchain(hello: Deployed) -> None:
    hello.scale(web=1, beat=0)
    assert "/app/bin/web" in hello.own_files()["web"]
    listed = hello.hostctl("run", "du -sm /app; find /app -name gofmt; which web")
    assert int(listed.split()[0]) < 50
    assert "gofmt" not in listed
    assert "/app/bin/web" in listed


def test_a_second_push_compiles_only_what_changed_and_can_be_rolled_back(hello: Deployed) -> None:
    pushed = hello.goes_and_comes_back("internal/page/page.html", "Hello from Go", "Hello again")
    assert "Installing Go" not in pushed
    assert "example.org/hello-go/cmd/web" in pushed


def test_a_push_that_does_not_compile_harms_nothing(hello: Deployed) -> None:
    said = hello.refuses({"cmd/web/extra.go": "package main\n\nvar x = y\n"})
    assert "cmd/web/extra.go:3:9: undefined: y" in said
    assert " !     go install failed: see above." in said


def test_vendored_modules_hooks_and_versions(hello: Deployed, tmp_path: Path) -> None:
    too_new = {**VENDORED, "go.mod": VENDORED["go.mod"].replace("1.24", "1.99")}
    # To the same app, whose cache has the standard library compiled.
    said = hello.refuses(too_new, tmp_path)
    assert "go.mod asks for Go 1.99, which cannot be had." in said
    assert re.search(r"Available: 1\.21\.\d+ 1\.22\.\d+ .*1\.27\.\d+", said)

    pushed = hello.push({"go.mod": VENDORED["go.mod"]}, tmp_path)
    assert "Installing Go" not in pushed
    assert re.search(r"Running: go install -v -mod=vendor -tags heroku .*example\.org/app", pushed)
    assert "-----> Running bin/go-post-compile" in pushed
    hello.answers(lambda: hello.get().text == "vendored\n")
