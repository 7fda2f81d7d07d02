"""Webhooks: what happens to an app is told to real receivers, signed, once at least, whatever fails in between."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.platform import Platform
from tests.support.settings import settings
from tests.support.waiting import wait_until

APP = f"hooked-{uuid.uuid4().hex[:6]}"
SECRET = "s1gns-all"
FILES = {"Procfile": "web: python3 -m http.server $PORT\n", "requirements.txt": ""}


@dataclass
class Got:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A server on loopback. `answers` are the statuses with which it answers a path, the last for ever; a path in
    `held` is not answered until the event is set."""

    port: int
    got: list[Got] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Got]:
        return [got for got in self.got if got.path == path]

    def told(self, path: str) -> list[tuple[str, str]]:
        return [(got.json["resource"], got.json["action"]) for got in self.at(path)]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.got.append(Got(self.path, dict(self.headers), body))
            if gate := known.held.get(self.path):
                gate.wait(120)
            statuses = known.answers.get(self.path, [204])
            self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            self.send_header("Location", known.url("/elsewhere"))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        for gate in known.held.values():
            gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module", autouse=True)
def ready(platform: Platform) -> Iterator[None]:
    """An app, on a platform that may reach the receiver."""
    platform.hostctl("apps:create", APP)
    try:
        with settings(platform, webhook_networks="127.0.0.0/8"):
            yield
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP, check=False)


def add(platform: Platform, url: str, include: str, level: str = "sync") -> str:
    """A new webhook; its id."""
    platform.ssh("webhooks:add", "-i", include, "-l", level, "-u", url, "-s", SECRET, "-t", "Bearer-5up3r", "-a", APP)
    newest: str = json.loads(platform.hostctl("webhooks", "--json", "-a", APP).stdout)[-1]["id"]
    return newest


def deliveries(platform: Platform, webhook: str) -> list[dict[str, Any]]:
    """What was delivered to a webhook, or is to be, newest first."""
    found = json.loads(platform.hostctl("webhooks:deliveries", "--json", "-a", APP).stdout)
    return [each for each in found if each["webhook"]["id"] == webhook]


def kill(platform: Platform) -> None:
    """kill -9 of hostd; the next one is there when this returns."""
    before = main_pid(platform)
    platform.run(["systemctl", "kill", "--signal=KILL", "hostd.service"])
    wait_until(lambda: main_pid(platform) not in ("0", before), 30)
    wait_until(lambda: platform.hostctl("webhooks", "-a", APP, check=False).returncode == 0, 60)


def main_pid(platform: Platform) -> str:
    return platform.run(["systemctl", "show", "--value", "--property=MainPID", "hostd.service"]).stdout.strip()


def set_config(platform: Platform, value: str) -> None:
    platform.ssh("config:set", f"VALUE={value}", "-a", APP)


def test_a_deploy_is_told_signed_and_by_whom(
    platform: Platform, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> None:
    webhook = add(platform, receiver.url("/all"), "api:app,api:build,api:dyno,api:formation,api:release")
    platform.push(platform.commit(FILES, tmp_path_factory.mktemp("hooked") / "app"), APP)
    wait_until(lambda: ("dyno", "update") in receiver.told("/all") and ("build", "update") in receiver.told("/all"), 60)
    platform.ssh("ps:scale", "web=2", "-a", APP)
    platform.ssh("maintenance:on", "-a", APP)
    wait_until(lambda: ("app", "update") in receiver.told("/all"), 60)
    for got in receiver.at("/all"):
        signed = base64.b64encode(hmac.new(SECRET.encode(), got.body, hashlib.sha256).digest()).decode()
        assert got.headers["Heroku-Webhook-Hmac-SHA256"] == signed
        assert got.headers["Authorization"] == "Bearer-5up3r"
        assert got.json["webhook_metadata"]["webhook"]["id"] == webhook
    told = receiver.told("/all")
    assert told.index(("build", "create")) < told.index(("release", "create")) < told.index(("build", "update"))
    by = {(got.json["resource"], got.json["action"]): got.json for got in receiver.at("/all")}
    for what in (("release", "create"), ("formation", "update"), ("app", "update")):
        assert by[what]["actor"]["email"] == platform.user.email
    assert by["release", "create"]["data"]["version"] == 2
    assert by["formation", "update"]["previous_data"] == {"quantity": 1}
    assert by["app", "update"]["previous_data"] == {"maintenance": False}
    states = [got.json["data"]["state"] for got in receiver.at("/all") if got.json["resource"] == "dyno"]
    assert "up" in states
    wait_until(lambda: all(each["status"] == "succeeded" for each in deliveries(platform, webhook)), 30)
    platform.ssh("maintenance:off", "-a", APP)
    platform.hostctl("webhooks:remove", webhook, "-a", APP)


def test_what_fails_is_tried_again_and_what_is_redirected_goes_nowhere(platform: Platform, receiver: Receiver) -> None:
    receiver.answers["/flaky"] = [500, 200]
    receiver.answers["/moved"] = [302]
    flaky = add(platform, receiver.url("/flaky"), "api:release")
    moved = add(platform, receiver.url("/moved"), "api:release", "notify")
    dead = add(platform, "http://127.0.0.1:9/", "api:release")
    inside = add(platform, "http://10.255.255.1/", "api:release", "notify")
    set_config(platform, "1")
    wait_until(lambda: [each["status"] for each in deliveries(platform, flaky)] == ["succeeded"], 60)
    first, second = receiver.at("/flaky")
    one, other = (got.json["webhook_metadata"] for got in (first, second))
    assert one["delivery"] == other["delivery"] and one["attempt"] != other["attempt"]
    assert deliveries(platform, flaky)[0]["num_attempts"] == 2
    (gone,) = deliveries(platform, moved)
    assert (gone["status"], gone["last_attempt"]["code"]) == ("failed", 302) and receiver.at("/elsewhere") == []
    (refused,) = deliveries(platform, inside)
    assert refused["status"] == "failed" and "internal address" in refused["last_attempt"]["error_class"]
    wait_until(lambda: deliveries(platform, dead)[0]["last_attempt"]["error_class"] is not None, 30)
    waiting = deliveries(platform, dead)[0]
    assert waiting["status"] == "retrying" and waiting["next_attempt_at"]
    shown = platform.ssh("webhooks:deliveries:info", waiting["id"], "-a", APP).stdout
    assert "its server cannot be reached" in shown and '"resource": "release"' in shown
    for webhook in (flaky, moved, dead, inside):
        platform.hostctl("webhooks:remove", webhook, "-a", APP)


def test_a_killed_hostd_goes_on_where_it_was(platform: Platform, receiver: Receiver) -> None:
    receiver.held["/slow"] = threading.Event()
    slow = add(platform, receiver.url("/slow"), "api:release")
    quick = add(platform, receiver.url("/quick"), "api:release")
    set_config(platform, "2")
    set_config(platform, "3")
    wait_until(lambda: len(receiver.at("/slow")) == 1 and len(receiver.at("/quick")) == 2, 30)
    kill(platform)
    wait_until(lambda: len(receiver.at("/slow")) == 2, 60)
    receiver.held["/slow"].set()
    wait_until(lambda: [each["status"] for each in deliveries(platform, slow)] == ["succeeded"] * 2, 60)
    ids = [got.json["webhook_metadata"]["delivery"]["id"] for got in receiver.at("/slow")]
    assert len(ids) == 3 and ids[0] == ids[1] != ids[2], "what was on its way comes again, and then what waited"
    versions = [got.json["data"]["version"] for got in receiver.at("/slow")]
    assert versions == sorted(versions)
    assert len(receiver.at("/quick")) == 2, "what was taken does not come again"
    for webhook in (slow, quick):
        platform.hostctl("webhooks:remove", webhook, "-a", APP)


def test_a_pipelines_webhook_hears_of_the_apps_that_are_in_it(platform: Platform, receiver: Receiver) -> None:
    line, other = f"{APP}-line", f"{APP}-left"
    platform.ssh("apps:create", other)
    platform.ssh("pipelines:create", line, "-s", "staging", "-a", APP)
    try:
        platform.ssh("pipelines:add", line, "-s", "production", "-a", other)
        add_to = ("webhooks:add", "-i", "api:app,api:release", "-l", "sync", "-u", receiver.url("/line"), "-p", line)
        platform.ssh(*add_to)
        platform.ssh("config:set", "VALUE=in", "-a", other)
        wait_until(lambda: len(receiver.at("/line")) == 1, 30)
        platform.ssh("pipelines:remove", "-a", other)
        platform.ssh("config:set", "VALUE=left", "-a", other)
        set_config(platform, "line")
        wait_until(lambda: len(receiver.at("/line")) == 2, 30)
        assert [got.json["data"]["app"]["name"] for got in receiver.at("/line")] == [other, APP]
        platform.ssh("pipelines:add", line, "-s", "production", "-a", other)
        platform.hostctl("apps:destroy", "-a", other, "--confirm", other)
        wait_until(lambda: receiver.told("/line")[2:] == [("app", "destroy")], 30)
        (hook,) = json.loads(platform.ssh("webhooks", "--json", "-p", line).stdout)
        assert hook["pipeline"]["name"] == line and "app" not in hook
        delivered = json.loads(platform.ssh("webhooks:deliveries", "--json", "-p", line).stdout)
        assert {each["webhook"]["id"] for each in delivered} == {hook["id"]} and len(delivered) == 3
    finally:
        platform.hostctl("pipelines:destroy", line, "--confirm", line, check=False)
        platform.hostctl("apps:destroy", "-a", other, "--confirm", other, check=False)


def test_the_end_of_an_app_is_told(platform: Platform, receiver: Receiver) -> None:
    name = f"{APP}-end"
    platform.hostctl("apps:create", name)
    platform.hostctl("webhooks:add", "-i", "api:app", "-l", "notify", "-u", receiver.url("/end"), "-a", name)
    platform.hostctl("apps:destroy", "-a", name, "--confirm", name)
    wait_until(lambda: receiver.told("/end") == [("app", "destroy")], 30)
    assert receiver.at("/end")[0].json["data"]["name"] == name
