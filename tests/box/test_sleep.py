"""Apps that sleep while nobody asks for them, and wake for the first request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.estate import running, survey
from tests.support.formation import dynos, scale
from tests.support.platform import Platform
from tests.support.waiting import wait_until

APP = "sleeping-beauty"
FILES = {
    "Procfile": "web: python3 server.py\nworker: sleep 100000\n",
    "server.py": """\
import http.server, os, time
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(int(self.path.strip("/") or 0)):
            time.sleep(1)
            self.wfile.write(b"still here ")
        self.wfile.write(b"awake")
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Server).serve_forever()
""",
}


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app with a web dyno and a worker, which may sleep after a second."""
    platform.hostctl("apps:create", APP)
    try:
        platform.push(platform.commit(FILES, tmp_path_factory.mktemp("sleep") / "app"), APP)
        scale(platform, APP, web=1, worker=1)
        platform.ssh("ps:idle", "--after", "1s", "-a", APP)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def states(platform: Platform) -> dict[str, str]:
    """What each dyno does."""
    return {str(dyno["name"]): str(dyno["state"]) for dyno in dynos(platform, APP)}


def fall_asleep(platform: Platform) -> None:
    """Wait until the web dyno is asleep; the worker is not."""
    wait_until(lambda: states(platform) == {"web.1": "idle", "worker.1": "up"}, 20)


def units(platform: Platform) -> set[str]:
    """The process types of the app that have a unit."""
    return {dyno.type for dyno in running(survey(platform)).values() if dyno.app == APP}


def test_a_sleeping_app_is_woken_by_its_first_requests(platform: Platform) -> None:
    fall_asleep(platform)
    assert units(platform) == {"worker"}
    assert "web.1: idle for" in platform.hostctl("ps", "-a", APP).stdout
    asleep = json.loads(platform.hostctl("ps:idle", "--json", "-a", APP).stdout)
    assert asleep["after"] == 1 and asleep["asleep_since"]
    platform.hostctl("ps:stop", "web.1", "-a", APP)
    platform.hostctl("ps:wait", "--timeout", "5s", "-a", APP)
    assert states(platform) == {"web.1": "idle", "worker.1": "up"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: platform.http_get(APP), range(4)))
    assert [(answer.status, answer.text) for answer in answers] == [(200, "awake")] * 4
    log = wait_until(lambda: platform.hostctl("logs", "-n", "1500", "-d", "web.1", "-a", APP).stdout)
    lines = [line.partition(" ")[2] for line in log.splitlines()]
    asleep_at, awake_at = lines.index("heroku[web.1]: Idling"), lines.index("heroku[web.1]: Unidling")
    assert "heroku[web.1]: Stopping all processes with SIGTERM" in lines[asleep_at:awake_at]
    assert "heroku[web.1]: State changed from starting to up" in lines[awake_at:]
    assert lines.count("heroku[web.1]: Unidling") == 1


def test_a_request_that_goes_on_keeps_an_app_awake(platform: Platform) -> None:
    assert platform.http_get(APP, "/4").text == "still here " * 4 + "awake"
    fall_asleep(platform)


def test_sleep_outlives_hostd_and_router_and_a_request_waits_for_them(platform: Platform) -> None:
    fall_asleep(platform)
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd-router@1.service", "hostd-router@2.service"])
    platform.run(["systemctl", "stop", "hostd.service"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(platform.http_get, APP)
        platform.run(["systemctl", "start", "hostd.service"])
        assert waiting.result().text == "awake"
    fall_asleep(platform)
    platform.run(["systemctl", "restart", "hostd.service"])
    assert states(platform) == {"web.1": "idle", "worker.1": "up"}
    assert units(platform) == {"worker"}


@pytest.mark.parametrize("words", [("config:set", "A=1"), ("ps:restart",), ("ps:scale", "web=1"), ("ps:idle", "--off")])
def test_what_needs_the_app_wakes_it(platform: Platform, words: tuple[str, ...]) -> None:
    fall_asleep(platform)
    platform.hostctl(words[0], "-a", APP, *words[1:])
    wait_until(lambda: platform.hostctl("logs", "-n", "1", "-d", "web.1", "-a", APP).stdout.count("to up\n"), 20)


def test_an_app_that_may_not_sleep_stays_awake(platform: Platform) -> None:
    assert platform.hostctl("ps:idle", "-a", APP).stdout == "off\n"
    assert states(platform) == {"web.1": "up", "worker.1": "up"}
