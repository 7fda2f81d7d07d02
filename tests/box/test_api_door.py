"""The API's doors as programs use them: the port on the loopback interface, and https through the router."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping
from random import randrange
from typing import Any

import pytest

from tests.support.platform import Answer, Platform, add_user
from tests.support.waiting import wait_until

PLACE, GUESSER = (f"127.{randrange(2, 250)}.{randrange(256)}.{randrange(1, 255)}" for _ in range(2))
"""Addresses from which nobody else comes: wrong tokens count against where they come from."""
V3 = "application/vnd.heroku+json; version=3"


@pytest.fixture
def token(platform: Platform) -> Iterator[str]:
    """A token of the user's, made over ssh."""
    made = platform.ssh("authorizations:create", "-d", "test", "--json").stdout
    authorization = json.loads(made)
    yield authorization["access_token"]["token"]
    platform.ssh("authorizations:revoke", authorization["id"], check=False)


@pytest.fixture
def apps(platform: Platform) -> Iterator[list[str]]:
    """The names of three apps of the user's."""
    names = sorted(f"t-{uuid.uuid4().hex[:10]}" for _ in range(3))
    for name in names:
        platform.ssh("apps:create", name)
    yield names
    for name in names:
        platform.ssh("apps:destroy", "-a", name, "--confirm", name, check=False)


def ask(
    platform: Platform,
    method: str,
    path: str,
    token: str | None = None,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    https: bool = False,
    place: str = PLACE,
) -> Answer:
    """Ask at the loopback port, or through the router."""
    own = {"Accept": V3, **({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    connection: http.client.HTTPConnection
    if https:
        # The platform signs its own certificate here; that apps' are checked is seen in test_certificates.
        trusting = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", platform.https_port, timeout=60, source_address=(place, 0), context=trusting
        )
        own["Host"] = "api.localhost"
    else:
        connection = http.client.HTTPConnection("127.0.0.1", platform.api_port, timeout=60, source_address=(place, 0))
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body), own)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())


def test_nobody_is_let_in_without_a_token(platform):
    for https in (False, True):
        for headers in ({}, {"Hostd-User": platform.admin}, {"Authorization": "Basic cm9vdDpyb290"}):
            refused = ask(platform, "GET", "/apps", headers=headers, https=https)
            assert (refused.status, json.loads(refused.body)["id"]) == (401, "unauthorized")
        assert ask(platform, "GET", "/schema", https=https).status == 200


def test_a_token_opens_both_doors_until_it_is_revoked(platform):
    made = json.loads(platform.ssh("authorizations:create", "-d", "ci", "-e", "600", "--json").stdout)
    token = made["access_token"]["token"]
    basic = {"Authorization": f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"}
    for https in (False, True):
        assert json.loads(ask(platform, "GET", "/account", token, https=https).body)["email"] == platform.user.email
        assert ask(platform, "GET", "/account", headers=basic, https=https).status == 200
    assert f"from {PLACE}" in platform.ssh("authorizations:info", made["id"]).stdout
    listed = platform.ssh("authorizations").stdout
    assert made["id"] in listed and token not in listed
    rotated = platform.ssh("authorizations:rotate", made["id"], "--json").stdout
    assert ask(platform, "GET", "/account", token).status == 401
    token = json.loads(rotated)["access_token"]["token"]
    assert ask(platform, "GET", "/account", token).status == 200
    platform.ssh("authorizations:revoke", made["id"])
    for https in (False, True):
        assert ask(platform, "GET", "/account", token, https=https).status == 401


def test_the_router_sends_plain_http_on_to_https(platform):
    sent_on = platform.http_get("api", "/apps")
    assert sent_on.status == 301
    assert sent_on.headers["location"] == f"https://api.localhost:{platform.https_port}/apps"
    assert platform.http_get("api", "/apps", method="POST").status == 308


def test_nobody_takes_the_apis_name(platform, app):
    assert "reserved" in platform.ssh("apps:create", "api", check=False).stderr
    assert platform.ssh("domains:add", "api.localhost", "-a", app, check=False).returncode != 0


def test_a_list_comes_in_pages(platform, token, apps):
    names, more, statuses = [], "name ..; max=2", []
    while more:
        page = ask(platform, "GET", "/users/~/apps", token, headers={"Range": more}, https=True)
        names += [app["name"] for app in json.loads(page.body)]
        statuses.append(page.status)
        more = page.headers.get("next-range", "")
    assert statuses[-1] == 200 and set(statuses[:-1]) == {206}
    assert names == sorted(names) and set(apps) <= set(names)


def test_what_is_had_already_is_not_sent_again_and_what_is_sent_is_packed(platform, token, apps):
    first = ask(platform, "GET", "/apps", token, headers={"Accept-Encoding": "gzip"}, https=True)
    assert first.headers["content-encoding"] == "gzip" and first.body[:2] == b"\x1f\x8b"
    known = {"If-None-Match": first.headers["etag"]}
    again = ask(platform, "GET", "/apps", token, headers=known, https=True)
    assert (again.status, again.body) == (304, b"")
    assert int(again.headers["ratelimit-remaining"]) < 4500


def test_a_faulty_request_is_refused_and_harms_nobody(platform, token):
    for method, path, headers, status in (
        ("GET", "/apps", {"Accept": "application/vnd.heroku+json; version=2"}, 406),
        ("GET", "/apps", {"Range": "size .."}, 416),
        ("GET", "/apps", {"Origin": "https://evil.example.com"}, 403),
        ("GET", "/hostd/ssh/keys?type=a&key=b", {}, 404),
        ("POST", "/apps", {"X-Http-Method-Override": "TRACE"}, 400),
        ("GET", "/" + "x" * 7000, {}, 404),
    ):
        refused = ask(platform, method, path, token, headers=headers)
        assert refused.status == status, (path, refused.text)
        assert json.loads(refused.body)["message"] and refused.headers["request-id"]
    large = ask(platform, "POST", "/apps", token, body={"name": "x" * (2 << 20)})
    assert (large.status, json.loads(large.body)["id"]) == (413, "request_too_large")
    assert ask(platform, "GET", "/account", token).status == 200


def test_a_restart_of_hostd_refuses_nobody(platform, token):
    statuses: list[int] = []
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            statuses.append(ask(platform, "GET", "/account", token).status)
            statuses.append(ask(platform, "GET", "/account", token, https=True).status)

    client = threading.Thread(target=go_on)
    client.start()
    try:
        wait_until(lambda: len(statuses) > 4)
        platform.run(["systemctl", "restart", "hostd.service"])
        after = len(statuses)
        wait_until(lambda: len(statuses) > after + 4)
    finally:
        stop.set()
        client.join(timeout=60)
    assert set(statuses) == {200}


def test_a_removed_users_tokens_are_worth_nothing(platform, tmp_path):
    email = f"u{uuid.uuid4().hex[:8]}@example.com"
    made = _user_with_token(platform, email, tmp_path / "key")
    assert ask(platform, "GET", "/account", made).status == 200
    platform.hostctl("users:remove", email)
    assert ask(platform, "GET", "/account", made).status == 401


def test_no_token_is_in_a_log_or_in_a_file(platform, token):
    ask(platform, "GET", "/account", token, https=True)
    ask(platform, "POST", "/apps", token, body={"name": "x" * 100})
    search = 'journalctl --namespace="*" --no-pager -o export | grep -aF "$1" || true'
    assert platform.run(["sh", "-c", search, "sh", token]).stdout == ""
    found = platform.run(["grep", "-rlaF", token, "/var/lib/hostd/master", "/run/hostd", "/etc/hostd"], check=False)
    assert found.stdout == ""


def test_heroku3_works(platform, token, apps):
    """PyPI's client of Heroku's API, pointed here."""
    from heroku3.api import Heroku

    heroku = Heroku()
    heroku._heroku_url = f"http://127.0.0.1:{platform.api_port}"
    assert heroku.authenticate(token)
    assert heroku.account().email == platform.user.email
    assert set(apps) <= {app.name for app in heroku.apps()}
    assert len(heroku.apps(limit=2, order_by="name")) == 2
    assert heroku.ratelimit_remaining() > 0
    app = heroku.app(apps[0])
    app.config()["GREETING"] = "hello"
    assert app.config().to_dict() == {"GREETING": "hello"}
    assert app.releases(order_by="version", sort="desc", limit=1)[0].version == 2
    assert len(list(heroku.oauthauthorizations())) >= 1


def test_a_small_token_does_small_things(platform, token, apps):
    wanted = {"scope": ["read"], "description": "small", "expires_in": "600"}
    made = json.loads(ask(platform, "POST", "/oauth/authorizations", token, body=wanted).body)
    small = made["access_token"]["token"]
    assert ask(platform, "GET", f"/apps/{apps[0]}", small).status == 200
    app = f"/apps/{apps[0]}"
    for method, path in (("GET", f"{app}/config-vars"), ("DELETE", app), ("GET", "/hostd/users")):
        refused = ask(platform, method, path, small, https=True)
        assert (refused.status, json.loads(refused.body)["id"]) == (403, "forbidden")
    assert ask(platform, "DELETE", f"/oauth/authorizations/{made['id']}", token).status == 200


def test_who_guesses_at_tokens_has_to_wait_and_who_is_known_has_not(platform, token):
    assert ask(platform, "GET", "/account", token, place=GUESSER).status == 200
    statuses = [
        ask(platform, "GET", "/account", f"HRKU-{number}", place=GUESSER, https=number % 2 == 1).status
        for number in range(14)
    ]
    assert statuses[:10] == [401] * 10 and 429 in statuses[10:]
    other = platform.hostctl("auth:token").stdout.strip()
    assert ask(platform, "GET", "/account", token, place=GUESSER, https=True).status == 200
    assert ask(platform, "GET", "/account", other).status == 200


def _user_with_token(platform: Platform, email: str, key: Any) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    add_user(platform, email, key)
    return platform.ssh("authorizations:create", "-S", key=key).stdout.strip()
