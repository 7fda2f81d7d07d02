"""Health checks: what the commands ask the API and print, against a fake API."""

import pytest
from cli_fakes import hostctl

SET = {"type": "web", "path": "/health", "source": "checks:set"}
DECLARED = {"type": "web", "path": "/up", "source": "app.json"}


def test_checks(hostd, tmp_path):
    hostd.on("GET /hostd/apps/hello/checks", (200, [DECLARED]), (200, []))
    assert hostctl(tmp_path, "checks", "-a", "hello").out == "web  /up  (app.json)\n"
    assert "has no health check" in hostctl(tmp_path, "checks", "-a", "hello").err


@pytest.mark.parametrize("words", [("web", "/health"), ("/health",)])
def test_checks_set(hostd, tmp_path, words):
    hostd.on("PUT /hostd/apps/hello/checks/web", (200, [SET]))
    ran = hostctl(tmp_path, "checks:set", *words, "-a", "hello")
    assert ran.err == "Setting the health check of web dynos on hello... done, GET /health\n"
    assert hostd.asked("PUT /hostd/apps/hello/checks/web")[0].json == {"path": "/health"}


@pytest.mark.parametrize("words", [("web", "health"), ("web",), ()])
def test_checks_set_without_a_path(hostd, tmp_path, words):
    ran = hostctl(tmp_path, "checks:set", *words, "-a", "hello")
    assert (ran.status, hostd.requests) == (2, [])


def test_checks_unset(hostd, tmp_path):
    hostd.on("DELETE /hostd/apps/hello/checks/web", (200, [DECLARED]), (200, []))
    ran = hostctl(tmp_path, "checks:unset", "-a", "hello")
    assert ran.err == "Unsetting the health check of web dynos on hello... done, GET /up of app.json counts again\n"
    assert hostctl(tmp_path, "checks:unset", "web", "-a", "hello").err.endswith("on hello... done\n")
