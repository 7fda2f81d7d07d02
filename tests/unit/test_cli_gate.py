"""hostctl access:gate, as its users see it."""

import json

import pytest
from cli_fakes import hostctl

GATE = "/hostd/apps/hello/gate"
FOUND = {
    "closed": True,
    "users": [{"name": "kate", "created_at": "2015-11-17T17:37:41Z"}],
    "networks": ["192.0.2.0/24", "2001:db8::/32"],
}


def test_it_is_said_who_may_visit(tmp_path, hostd):
    hostd.on(f"GET {GATE}", (200, {"closed": False, "users": [], "networks": []}), (200, FOUND))
    assert hostctl(tmp_path, "access:gate", "-a", "hello").out == "open to everybody\n"
    assert hostctl(tmp_path, "access:gate", "-a", "hello").out == (
        "=== hello Access Gate\n\n"
        "kate           password set 1h ago\n"
        "192.0.2.0/24   network\n"
        "2001:db8::/32  network\n"
    )
    assert json.loads(hostctl(tmp_path, "access:gate", "--json", "-a", "hello").out) == FOUND


def test_a_password_comes_from_standard_input(tmp_path, hostd):
    hostd.on(f"POST {GATE}", (200, FOUND))
    ran = hostctl(tmp_path, "access:gate:enable", "--user", "kate", "-a", "hello", stdin=b"correct horse\r\nmore\n")
    assert ran.err == "Enabling the access gate of hello... done, 1 user, 2 networks\n"
    (asked,) = hostd.requests
    assert asked.json == {"networks": [], "user": {"name": "kate", "password": "correct horse"}}
    ran = hostctl(tmp_path, "access:gate:enable", "--user", "kate", "-a", "hello")
    assert (ran.status, "no password on standard input" in ran.err) == (2, True)
    assert len(hostd.requests) == 1


@pytest.mark.parametrize(("again", "status"), [("correct horse", 0), ("correct horsf", 1)])
def test_on_a_terminal_it_is_asked_for_twice(tmp_path, hostd, monkeypatch, again, status):
    answers, asked = ["correct horse", again], []

    def getpass(prompt, stream):
        asked.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr("getpass.getpass", getpass)
    hostd.on(f"POST {GATE}", (200, FOUND))
    ran = hostctl(tmp_path, "access:gate:enable", "-u", "kate", "-a", "hello", terminal=True)
    assert (ran.status, asked) == (status, ["Password of kate: ", "Again: "])
    assert len(hostd.requests) == (not status)
    assert "horse" not in ran.out + ran.err


def test_networks_are_added_and_removed(tmp_path, hostd):
    hostd.on(f"POST {GATE}", (200, FOUND)).on(f"DELETE {GATE}", (200, FOUND))
    for line in ("enable --network 10.0.0.0/8 --network ::1", "remove --user kate --network ::1"):
        assert hostctl(tmp_path, *f"access:gate:{line} -a hello".split()).status == 0
    ran = hostctl(tmp_path, "access:gate:disable", "-a", "hello")
    assert ran.err == "Disabling the access gate of hello... done\n"
    assert [request.body and request.json for request in hostd.requests] == [
        {"networks": ["10.0.0.0/8", "::1"]}, {"users": ["kate"], "networks": ["::1"]}, b""
    ]  # fmt: skip


@pytest.mark.parametrize("verb", ["enable", "remove"])
def test_somebody_has_to_be_named(tmp_path, hostd, verb):
    ran = hostctl(tmp_path, f"access:gate:{verb}", "-a", "hello")
    assert (ran.status, "Whom?" in ran.err, hostd.requests) == (2, True, [])
