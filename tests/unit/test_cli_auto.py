"""hostctl certs:auto, as its users see it."""

import json

import pytest
from cli_fakes import hostctl

STATE, ACM = "GET /hostd/apps/hello/acm", "/apps/hello/acm"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("hostd.cli.auto.ASK_AGAIN_SECONDS", 0.01)


def domain(status, hostname="www.example.com", **more):
    known = {"certificate": None, "expires_at": None, "reason": None, "retry_at": None}
    return {"hostname": hostname, "status": status, **known, **more}


def found(*domains, enabled=True, **more):
    known = {"app": {"name": "hello"}, "challenge": None, "directory": "https://ca", "enabled": enabled}
    return known | {"domains": list(domains)} | more


OK = domain("ok", certificate="calm-rain-1202", expires_at="2016-02-17T17:37:41Z")
FAILING = domain(
    "failing", "shop.example.com", reason="Connection refused\x1b (connection)", retry_at="2015-11-17T20:37:41Z"
)


def test_how_it_stands_with_each_domain(tmp_path, hostd):
    hostd.on(STATE, (200, found(OK, domain("verifying", "new.example.com"), FAILING)))
    shown = hostctl(tmp_path, "certs:auto", "-a", "hello")
    assert shown.out.splitlines() == [
        "=== Automatic Certificate Management is enabled on hello",
        "",
        "Domain            Status     Expires     Next Try",
        "www.example.com   OK         2016-02-17  -",
        "new.example.com   Verifying  -           -",
        "shop.example.com  Failing    -           in 2h",
    ]
    assert shown.err == " !    shop.example.com: Connection refused\\x1b (connection)\n"
    as_json = hostctl(tmp_path, "certs:auto", "--json", "-a", "hello")
    assert [each["status"] for each in json.loads(as_json.out)["domains"]] == ["ok", "verifying", "failing"]


def test_what_to_do_next_is_said(tmp_path, hostd):
    hostd.on(STATE, (200, found(enabled=False)), (200, found()))
    shown = hostctl(tmp_path, "certs:auto", "-a", "hello")
    assert "is disabled on hello" in shown.out and "certs:auto:enable -a hello" in shown.err
    assert "domains:add www.example.com -a hello" in hostctl(tmp_path, "certs:auto", "-a", "hello").err


def test_enabling_can_wait_and_tells_what_happens(tmp_path, hostd):
    hostd.on(f"POST {ACM}", (200, {}))
    assert "certs:auto -a hello" in hostctl(tmp_path, "certs:auto:enable", "-a", "hello").err
    verifying = domain("verifying")
    hostd.on(STATE, (200, found(verifying)), (200, found(verifying)), (200, found(OK)))
    ran = hostctl(tmp_path, "certs:auto:enable", "--wait", "-a", "hello")
    assert (ran.status, ran.err.splitlines()) == (0, [
        "Enabling Automatic Certificate Management on hello... done",
        "www.example.com: Verifying",
        "www.example.com: OK",
    ])  # fmt: skip


def test_waiting_ends_when_nothing_is_under_way(tmp_path, hostd):
    hostd.on(f"PATCH {ACM}", (200, {})).on(STATE, (200, found(domain("verifying"), FAILING)), (200, found(OK, FAILING)))
    ran = hostctl(tmp_path, "certs:auto:refresh", "--wait", "-a", "hello")
    assert ran.status == 1
    assert "shop.example.com: Failing, Connection refused" in ran.err
    assert " !    No certificate for shop.example.com. It is tried again" in ran.err
    hostd.on(STATE, (200, found(domain("verifying"))))
    late = hostctl(tmp_path, "certs:auto:refresh", "--wait", "--timeout", "1s", "-a", "hello")
    assert (late.status, "After 1" in late.err) == (1, True)


def test_a_refresh_of_one_name(tmp_path, hostd):
    hostd.on(f"PATCH {ACM}", (200, {}))
    for words, body in (
        ((), {"acm_refresh": True}),
        (("a.test",), {"acm_refresh": True, "hostname": "a.test"}),
        (("a.test", "--force"), {"acm_refresh": True, "hostname": "a.test", "force": True}),
    ):
        assert hostctl(tmp_path, "certs:auto:refresh", *words, "-a", "hello").status == 0
        assert hostd.requests[-1].json == body


def test_how_names_are_proven(tmp_path, hostd):
    hostd.on(f"POST {ACM}", (200, {})).on(STATE, (200, found(OK, challenge="tls-alpn-01")))
    hostctl(tmp_path, "certs:auto:enable", "-a", "hello")
    assert hostd.requests[-1].json == {}
    hostctl(tmp_path, "certs:auto:enable", "--challenge", "tls-alpn-01", "-a", "hello")
    assert hostd.requests[-1].json == {"challenge": "tls-alpn-01"}
    assert "is enabled on hello with tls-alpn-01\n" in hostctl(tmp_path, "certs:auto", "-a", "hello").out


def test_disabling_asks_first(tmp_path, hostd):
    hostd.on(f"DELETE {ACM}", (200, {}))
    refused = hostctl(tmp_path, "certs:auto:disable", "-a", "hello")
    assert (refused.status, hostd.requests) == (1, [])
    done = hostctl(tmp_path, "certs:auto:disable", "--confirm", "hello", "-a", "hello")
    assert done.err == "Disabling Automatic Certificate Management on hello... done\n"


def test_a_refusal_is_shown(tmp_path, hostd):
    hostd.on(f"POST {ACM}", (422, {"id": "invalid_params", "message": "The terms are not accepted."}))
    ran = hostctl(tmp_path, "certs:auto:enable", "-a", "hello")
    assert ran.status == 1
    assert ran.err.endswith("... failed\n !    The terms are not accepted.\n")


def test_an_automatic_certificate_that_ends_soon_is_no_cause_for_alarm(tmp_path, hostd):
    from test_cli_certs import ENDPOINTS, endpoint

    soon = endpoint(expires="2015-11-29T19:37:41Z")
    soon["ssl_cert"]["acm"] = True
    hostd.on(f"GET {ENDPOINTS}", (200, [soon]))
    assert hostctl(tmp_path, "certs", "-a", "hello").err == ""
    assert "by itself" in hostctl(tmp_path, "certs:info", "-a", "hello").out
