"""The two example apps, as a newcomer runs them: push, look, scale, configure, break, destroy."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hostd.manager.launcher import app_slice
from tests.support.apps import deployed
from tests.support.estate import settled
from tests.support.formation import current, dynos, scale, wait_for_formation
from tests.support.platform import Answer, Finished, Platform
from tests.support.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
HELLO, GUESTBOOK = "hello-example", "guestbook-example"
EXPOSURE = 2.0
"""The most that `systemd-analyze security` may say of a dyno."""
ALL_ASKED = 60
"""Requests within which a router that picks at random has used each of three dynos: all but certainly."""


@dataclass(frozen=True)
class Example:
    """What a first push said, and which dynos it started."""

    push: str
    dynos: list[str]


@contextmanager
def example(platform: Platform, folder: str, app: str, directory: Path) -> Iterator[Example]:
    """An example, pushed to an app of its own, which is destroyed afterwards."""
    with deployed(platform, app, directory, EXAMPLES / folder) as pushed:
        yield Example(pushed.pushed, [dyno["name"] for dyno in dynos(platform, app)])


@pytest.fixture(scope="module")
def hello(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with example(platform, "hello-python", HELLO, tmp_path_factory.mktemp("hello") / "app") as pushed:
        yield pushed


@pytest.fixture(scope="module")
def guestbook(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with example(platform, "guestbook-flask", GUESTBOOK, tmp_path_factory.mktemp("guestbook") / "app") as pushed:
        yield pushed


def test_hello_is_built_launched_and_answers(platform: Platform, hello: Example) -> None:
    for text in ("-----> Python app detected", "Procfile declares types -> web", "-----> Launching... done, v2"):
        assert text in hello.push
    page = platform.http_get(HELLO)
    assert page.status == 200
    assert "<h1>Hello, world!</h1>" in page.text
    assert f"<code>{HELLO}.localhost</code>" in page.text


def test_guestbook_gets_its_packages_from_pypi_and_can_be_signed(platform: Platform, guestbook: Example) -> None:
    assert re.search(r"\+ flask==\d", guestbook.push)
    assert re.search(r"\+ gunicorn==\d", guestbook.push)
    scale(platform, GUESTBOOK, web=1, worker=0)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = platform.http_get(GUESTBOOK, method="POST", headers=form, body=b"name=Ada&text=I+was+here")
    assert signed.status == 303
    assert "I was here" in platform.http_get(GUESTBOOK).text
    wait_until(lambda: "app[web.1]: Ada signed the guestbook" in logs(platform, GUESTBOOK, "-p", "web"))


def test_the_first_deploy_runs_one_web_dyno_and_nothing_else(platform: Platform, guestbook: Example) -> None:
    assert "Procfile declares types -> web, worker" in guestbook.push
    assert guestbook.dynos == ["web.1"]


def test_the_router_uses_all_three_web_dynos_and_both_workers_work(platform: Platform, guestbook: Example) -> None:
    scale(platform, GUESTBOOK, web=3, worker=2)
    assert who_answers(platform, GUESTBOOK) == {"web.1", "web.2", "web.3"}
    wait_until(lambda: routed_to(platform, GUESTBOOK) >= {"web.1", "web.2", "web.3"})
    for worker in ("worker.1", "worker.2"):
        beat = f"app[{worker}]: heartbeat 1 from {worker}"
        wait_until(lambda beat=beat: beat in logs(platform, GUESTBOOK, "-p", "worker"))

    scale(platform, GUESTBOOK, web=1, worker=0)
    assert who_answers(platform, GUESTBOOK) == {"web.1"}
    assert_units(platform, GUESTBOOK, ["web.1"])


def test_config_vars_reach_the_app_as_they_were_typed(platform: Platform, guestbook: Example) -> None:
    value = 'It\'s "$HOME" & `more`, \\ and ünï¢ode'
    before = current(platform, GUESTBOOK)
    told = platform.hostctl("config:set", "-a", GUESTBOOK, f"GREETING={value}")
    assert f"Setting GREETING and restarting {GUESTBOOK}... done, v{before + 1}" in told.stderr
    assert platform.hostctl("config:get", "-a", GUESTBOOK, "GREETING").stdout == f"{value}\n"
    wait_until(lambda: f"<h1>{value}</h1>" in html.unescape(platform.http_get(GUESTBOOK).text), 30)

    platform.hostctl("config:unset", "-a", GUESTBOOK, "GREETING")
    wait_until(lambda: "<h1>Welcome!</h1>" in platform.http_get(GUESTBOOK).text, 30)
    assert current(platform, GUESTBOOK) == before + 2


def test_systemctl_shows_the_dynos_and_that_they_are_shut_in(platform: Platform, hello: Example) -> None:
    scale(platform, HELLO, web=2)
    shown = platform.run(["systemctl", "status", "--no-pager", f"hostd-{HELLO}-*"]).stdout
    version = current(platform, HELLO)
    for name in ("web.1", "web.2"):
        unit = f"hostd-{HELLO}-{name}-v{version}.service"
        assert re.search(rf"● {unit} - {HELLO} {name} v{version} \S+ at [\d.]+:20000\n", shown)
        verdict = platform.run(["systemd-analyze", "security", "--no-pager", unit]).stdout
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", verdict)
        assert exposure is not None
        assert float(exposure[1]) <= EXPOSURE


def test_a_killed_dyno_is_started_again(platform: Platform, hello: Example) -> None:
    scale(platform, HELLO, web=1)
    unit = f"hostd-{HELLO}-web.1-v{current(platform, HELLO)}.service"
    platform.run(["systemctl", "kill", "--signal=KILL", unit])
    wanted = [
        "Process exited with status 137 (killed by SIGKILL)",
        "State changed from up to crashed",
        "Starting process with command `python server.py`",
        "State changed from crashed to starting",
        "State changed from starting to up",
    ]

    def told() -> list[str]:
        lines = logs(platform, HELLO, "--source", "heroku", "-p", "web.1").splitlines()
        return [line.partition("[web.1]: ")[2] for line in lines[-len(wanted) :]]

    wait_until(lambda: told() == wanted, 30)
    wait_for_formation(platform, HELLO, web=1)
    assert platform.http_get(HELLO).status == 200


def test_restart_renews_every_dyno_and_loses_no_file_of_the_slug(platform: Platform, hello: Example) -> None:
    scale(platform, HELLO, web=2)
    before = {dyno["name"]: dyno["extended"]["address"] for dyno in dynos(platform, HELLO)}
    platform.hostctl("ps:restart", "-a", HELLO)

    def renewed() -> bool:
        after = {dyno["name"]: dyno["extended"]["address"] for dyno in dynos(platform, HELLO)}
        return after.keys() == before.keys() and all(after[name] != before[name] for name in before)

    wait_until(renewed, 30)
    wait_for_formation(platform, HELLO, web=2)
    assert who_answers(platform, HELLO) == {"web.1", "web.2"}


def test_destroy_leaves_nothing(
    platform: Platform, app: str, repository: Callable[..., Path], push: Callable[..., Finished]
) -> None:
    files = {"Procfile": "web: python3 -m http.server $PORT\nworker: cat\n", "index.html": "here\n"}
    push(repository(files), app)
    scale(platform, app, web=2)
    platform.hostctl("run:detached", "-a", app, "sleep 3600")
    (identity,) = (found for found in json.loads(platform.hostctl("apps", "--json").stdout) if found["name"] == app)

    platform.hostctl("apps:destroy", "-a", app, "--confirm", app)
    settled(platform)
    assert_units(platform, app, [])
    named = ["-name", f"*{identity['id']}*", "-o", "-name", f"*{app}*"]
    assert platform.run(["find", "/var/lib/hostd", "/run/hostd", *named]).stdout == ""
    assert platform.http_get(app).status == 404
    refused = platform.hostctl("ps", "-a", app, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(" !    Couldn't find that app")
    platform.hostctl("apps:create", app)


def who_answers(platform: Platform, app: str) -> set[str]:
    """The dynos whose name stands in the app's page, of as many requests as it takes to meet them all."""
    answers: list[Answer] = [platform.http_get(app) for _ in range(ALL_ASKED)]
    assert {answer.status for answer in answers} == {200}
    return {re.findall(r"web\.\d+", answer.text)[0] for answer in answers}


def routed_to(platform: Platform, app: str) -> set[str]:
    """The dynos that the router's own lines name."""
    lines = logs(platform, app, "--source", "heroku", "-p", "router")
    return set(re.findall(r" at=info method=GET path=\"/\" .* dyno=(\S+) .* status=200 ", lines))


def logs(platform: Platform, app: str, *options: str) -> str:
    return platform.hostctl("logs", "-a", app, *options).stdout


def assert_units(platform: Platform, app: str, names: list[str]) -> None:
    """systemd has loaded exactly these dynos of the app, and its slice if there are any."""
    patterns = [f"hostd-{app}-*", app_slice(app)]
    listed = json.loads(platform.run(["systemctl", "list-units", "--all", "--output=json", *patterns]).stdout)
    version = current(platform, app) if names else 0
    wanted = {f"hostd-{app}-{name}-v{version}.service" for name in names} | ({app_slice(app)} if names else set())
    assert {unit["unit"] for unit in listed} == wanted
