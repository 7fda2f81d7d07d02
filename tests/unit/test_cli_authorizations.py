"""Tokens and who one is: what the commands ask the API and print, against a fake API."""

from __future__ import annotations

import json

from cli_fakes import hostctl

ID = "f6e8d969-129f-42d2-854b-c2eca9d5a42e"
OWN = f"/oauth/authorizations/{ID}"


def authorization(token="HRKU-**********1234", **changes):
    known = {
        "access_token": {"expires_in": None, "id": ID, "token": token},
        "client": None,
        "created_at": "2026-01-27T10:48:08Z",
        "description": "laptop",
        "grant": None,
        "id": ID,
        "last_used_at": None,
        "last_used_from": None,
        "refresh_token": None,
        "scope": ["global"],
        "session": None,
        "updated_at": "2026-01-27T10:48:08Z",
        "user": {"email": "you@example.com", "full_name": "you", "id": ID},
    }
    return known | changes


def test_the_list(hostd, tmp_path):
    hostd.on("GET /oauth/authorizations", (200, []))
    assert hostctl(tmp_path, "authorizations").out == "No OAuth authorizations.\n"
    two = [authorization(), authorization(description="CI", scope=["read", "write"])]
    hostd.on("GET /oauth/authorizations", (200, two))
    assert hostctl(tmp_path, "authorizations").out == f"CI      {ID}  read,write\nlaptop  {ID}  global\n"
    assert json.loads(hostctl(tmp_path, "authorizations", "--json").out) == two[::-1]


def test_a_token_is_made_and_printed(hostd, tmp_path):
    hostd.on("POST /oauth/authorizations", (201, authorization("HRKU-secret")))
    ran = hostctl(tmp_path, "authorizations:create", "-d", "laptop", "-s", "read, write", "-e", "600")
    assert hostd.asked("POST /oauth/authorizations")[0].json == {
        "description": "laptop", "expires_in": 600, "scope": ["read", "write"]
    }  # fmt: skip
    assert ran.err == "Creating OAuth Authorization... done\n"
    assert ran.out.splitlines()[:5] == [
        "Client:      <none>",
        f"ID:          {ID}",
        "Description: laptop",
        "Scope:       global",
        "Token:       HRKU-secret",
    ]
    short = hostctl(tmp_path, "authorizations:create", "--short")
    assert short.out == "HRKU-secret\n"
    assert hostd.asked("POST /oauth/authorizations")[1].json == {"description": None, "expires_in": None}


def test_an_end_that_cannot_be(hostd, tmp_path):
    for wrong in ("soon", "-1", "0", "1.5", "9" * 5000):
        ran = hostctl(tmp_path, "authorizations:create", "-e", wrong)
        assert (ran.status, hostd.requests) == (2, [])
        assert "a number of seconds" in ran.err


def test_one_of_them(hostd, tmp_path):
    used = {"last_used_at": "2026-01-27T10:48:08Z", "last_used_from": "192.0.2.1"}
    hostd.on(f"GET {OWN}", (200, authorization(**used)))
    shown = hostctl(tmp_path, "authorizations:info", ID).out
    assert "Token:       HRKU-**********1234\n" in shown and "from 192.0.2.1\n" in shown
    assert "Expires at" not in shown


def test_changes(hostd, tmp_path):
    hostd.on(f"PATCH {OWN}", (200, authorization()))
    hostd.on(f"POST {OWN}/actions/regenerate-tokens", (200, authorization("HRKU-new")))
    hostd.on(f"DELETE {OWN}", (200, authorization()))
    ran = hostctl(tmp_path, "authorizations:update", ID, "--description", "laptop")
    assert ran.err == "Updating OAuth Authorization... done, updated laptop\n"
    assert hostctl(tmp_path, "authorizations:update", ID).status == 2
    ran = hostctl(tmp_path, "authorizations:rotate", ID)
    assert ran.err == "Rotating OAuth Authorization... done, updated laptop\n" and "HRKU-new" in ran.out
    ran = hostctl(tmp_path, "authorizations:destroy", ID)
    assert ran.err == "Revoking OAuth Authorization... done, revoked authorization from laptop\n"


def test_sessions(hostd, tmp_path):
    hostd.on("GET /oauth/sessions", (200, []))
    assert hostctl(tmp_path, "sessions").out == "No OAuth sessions.\n"


def test_who_one_is(hostd, tmp_path):
    hostd.on("GET /account", (200, {"email": "you@example.com"}))
    assert hostctl(tmp_path, "whoami").out == "you@example.com\n"


def test_a_token_for_a_day(hostd, tmp_path):
    access = {"expires_in": 86400, "id": ID, "token": "HRKU-secret"}
    hostd.on("POST /oauth/authorizations", (201, authorization(access_token=access)))
    ran = hostctl(tmp_path, "auth:token")
    assert ran.out == "HRKU-secret\n"
    assert "Warning: token will expire 20" in ran.err and "authorizations:create" in ran.err
    assert hostd.asked("POST /oauth/authorizations")[0].json["expires_in"] == 86400
