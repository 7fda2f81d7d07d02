"""What the router does for an app, through the real one: affinity, masks and pauses, and what outlives restarts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from tests.support.platform import Platform
from tests.support.waiting import wait_until

APP = "routed"
TABLE = "/var/lib/hostd/routes/routes.json"
SERVER = """\
import http.server
import os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["DYNO"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
FILES = {"Procfile": "web: python3 server.py\n", "requirements.txt": "", "server.py": SERVER}


@pytest.fixture(scope="module", autouse=True)
def app(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app with two web dynos that say which they are."""
    platform.hostctl("apps:create", APP)
    try:
        platform.push(platform.commit(FILES, tmp_path_factory.mktemp("routed") / "app"), APP)
        platform.hostctl("ps:scale", "web=2", "-a", APP)
        platform.hostctl("ps:wait", "-a", APP)
        yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def logged(platform: Platform, *words: str) -> str:
    """The app's log, as soon as these words are in it."""

    def look() -> str:
        said = platform.hostctl("logs", "-n", "500", "-a", APP).stdout
        return said if all(word in said for word in words) else ""

    return wait_until(look, 20)


def test_a_client_comes_back_to_its_dyno_whichever_worker_it_meets(platform: Platform) -> None:
    platform.ssh("features:enable", "session-affinity", "-a", APP)
    first = platform.http_get(APP)
    cookie = {"Cookie": first.headers["set-cookie"].partition(";")[0]}
    assert {platform.http_get(APP, headers=cookie).text for _ in range(12)} == {first.text}
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd-router@1", "hostd-router@2"])
    assert {platform.http_get(APP, headers=cookie).text for _ in range(12)} == {first.text}
    platform.ssh("features:disable", "session-affinity", "-a", APP)
    assert {platform.http_get(APP, headers=cookie).text for _ in range(40)} == {"web.1", "web.2"}


def test_a_masked_value_is_in_no_log(platform: Platform) -> None:
    platform.ssh("router:mask", "token", "-a", APP)
    secret = secrets.token_hex(16)
    platform.http_get(APP, f"/masked?tok%65n={secret}&a=1")
    assert secret not in logged(platform, 'path="/masked?tok%65n=[masked]&a=1"')
    journal = platform.run(["journalctl", "--no-pager", "--namespace=*", "--since=-5min", "-o", "cat"]).stdout
    assert "/masked?" in journal and secret not in journal
    platform.ssh("router:mask", "--off", "-a", APP)
    platform.http_get(APP, "/plain?token=shown")
    logged(platform, 'path="/plain?token=shown"')


def test_requests_wait_for_the_end_of_a_pause(platform: Platform) -> None:
    platform.ssh("router:pause", "-a", APP)
    with ThreadPoolExecutor(6) as threads:
        waiting = [threads.submit(platform.http_get, APP, f"/waits/{number}") for number in range(6)]
        found = json.loads(platform.hostctl("router:info", "--json", "-a", APP).stdout)
        assert found["paused_until"] and not any(request.done() for request in waiting)
        platform.ssh("router:resume", "-a", APP)
        assert [request.result().status for request in waiting] == [200] * 6
    logged(platform, "Pause requests for 300 s", "Resume requests")


def test_a_pause_outlives_hostd_and_ends_by_itself(platform: Platform) -> None:
    platform.hostctl("router:pause", "--for", "8s", "-a", APP)
    begun = monotonic()
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service", "hostd-router@1", "hostd-router@2"])
    assert platform.http_get(APP, "/after").status == 200
    assert monotonic() - begun > 4
    wait_until(lambda: "Requests: pass" in platform.hostctl("router:info", "-a", APP).stdout, 20)
    logged(platform, "The pause is over, requests go on")


def test_the_router_serves_without_hostd(platform: Platform) -> None:
    platform.run(["systemctl", "stop", "hostd.service"])
    try:
        platform.run(["systemctl", "kill", "--signal=KILL", "hostd-router@1", "hostd-router@2"])
        assert {platform.http_get(APP).status for _ in range(12)} == {200}
    finally:
        platform.run(["systemctl", "start", "hostd.service"])


def test_a_table_that_cannot_be_read_is_made_anew(platform: Platform) -> None:
    platform.run(["sh", "-c", f"echo half > {TABLE}"])
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd-router@1", "hostd-router@2"])
    wait_until(lambda: {platform.http_get(APP).status for _ in range(12)} == {200}, 20)
    assert f'"name":"{APP}"' in platform.run(["cat", TABLE]).stdout


def test_it_is_told_when_a_worker_is_not_there(platform: Platform) -> None:
    units = ["hostd-router@2.socket", "hostd-router-tls@2.socket", "hostd-router@2.service"]
    platform.run(["systemctl", "stop", *units])
    try:
        status = platform.hostctl("status", check=False)
        assert "Worker 2 does not answer." in status.stdout and status.returncode == 1
        assert {platform.http_get(APP).status for _ in range(12)} == {200}
    finally:
        platform.run(["systemctl", "start", *units])
    wait_until(lambda: "does not answer" not in platform.hostctl("status", check=False).stdout, 20)
