"""hostctl heroku: what Heroku's CLI is told, and where ssh goes, against a fake API and a stand-in for the program."""

from __future__ import annotations

import json

import pytest
from cli_fakes import hostctl

from hostd.cli.command import Usage
from hostd.cli.heroku import merged, variables
from hostd.cli.tunnel import Server, in_address

DOORS = {
    "api_port": 7070,
    "authority": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "domain": "example.com",
    "https_port": 443,
    "rendezvous_port": 7071,
    "ssh_port": 2222,
}
MADE = {"access_token": {"expires_in": 3600, "id": "a", "token": "HRKU-secret"}, "id": "1f0"}


@pytest.fixture
def server(hostd):
    hostd.on("GET /hostd/doors", (200, DOORS))
    hostd.on("POST /oauth/authorizations", (201, MADE))
    hostd.on("DELETE /oauth/authorizations/1f0", (200, MADE))
    return hostd


def stand_in(folder, script):
    program = folder / "bin/heroku"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def test_the_cli_is_told_all_it_needs_and_the_token_ends_with_it(server, tmp_path):
    shown = tmp_path / "shown"
    path = stand_in(tmp_path, f'env > {shown}; cat "$NODE_EXTRA_CA_CERTS" >> {shown}; echo "$@" >> {shown}; exit 3')
    ran = hostctl(tmp_path, "heroku", "--", "run", "-x", "bash", "-a", "hello", PATH=path)
    assert ran.status == 3
    text = shown.read_text()
    for line in ("HEROKU_HOST=http://localhost:7070", "HEROKU_API_KEY=HRKU-secret", "HEROKU_GIT_HOST=git.example.com"):
        assert f"{line}\n" in text
    assert 'HEROKU_HEADERS={"Hostd-Rendezvous": "localhost:7071"}\n' in text
    assert DOORS["authority"] in text and text.endswith("run -x bash -a hello\n")
    assert server.asked("POST /oauth/authorizations")[0].json["expires_in"] == 3600
    assert len(server.asked("DELETE /oauth/authorizations/1f0")) == 1


def test_without_the_cli_nothing_is_made(server, tmp_path):
    ran = hostctl(tmp_path, "heroku", "--", "apps", PATH=str(tmp_path))
    assert (ran.status, server.requests) == (1, [])
    assert "npm install -g heroku" in ran.err


def test_a_server_without_a_port_for_its_api(server, tmp_path):
    server.on("GET /hostd/doors", (200, {**DOORS, "api_port": 0}))
    ran = hostctl(tmp_path, "heroku", "--", "apps", PATH=stand_in(tmp_path, "true"))
    assert ran.status == 1 and "api_port" in ran.err
    assert server.asked("POST /oauth/authorizations") == []


def test_what_a_tunnel_needs(server, tmp_path):
    shown = json.loads(hostctl(tmp_path, "heroku:setup", "-e", "60").out)
    assert shown == {**DOORS, "token": "HRKU-secret", "authorization": "1f0"}
    assert server.asked("POST /oauth/authorizations")[0].json["expires_in"] == 60


def test_ports_that_are_not_the_usual_ones(tmp_path):
    known = variables({**DOORS, "https_port": 8443, "token": "t"}, (4000, 4001), tmp_path / "a.pem")
    assert (known["HEROKU_HOST"], known["HEROKU_GIT_HOST"]) == ("http://localhost:4000", "git.example.com:8443")
    assert json.loads(known["HEROKU_HEADERS"]) == {"Hostd-Rendezvous": "localhost:4001"}


def test_headers_of_the_users_own_are_kept():
    ours = {"HEROKU_HEADERS": '{"Hostd-Rendezvous": "localhost:1"}'}
    both = json.loads(merged({"HEROKU_HEADERS": '{"X-Mine": "1"}'}, ours)["HEROKU_HEADERS"])
    assert both == {"X-Mine": "1", "Hostd-Rendezvous": "localhost:1"}
    assert merged({"HEROKU_HEADERS": "broken"}, ours)["HEROKU_HEADERS"] == ours["HEROKU_HEADERS"]


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("example.com", Server("example.com")),
        ("git@example.com:2222", Server("example.com", 2222)),
        ("ssh://git@10.0.0.1:22", Server("10.0.0.1", 22)),
        ("[::1]:2222", Server("::1", 2222)),
    ],
)
def test_a_server_that_is_named(text, server):
    assert Server.parse(text) == server


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "two words", "host:port", "host/path"])
def test_what_is_no_server(text):
    with pytest.raises(Usage):
        Server.parse(text)


def test_the_server_of_a_git_remote():
    assert in_address("ssh://git@example.com:2222/hello.git") == Server("example.com", 2222)
    assert in_address("git@example.com:hello.git") == Server("example.com")
    assert in_address("https://git.example.com/hello.git") is None
