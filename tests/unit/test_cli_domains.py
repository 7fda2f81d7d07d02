"""hostctl domains and maintenance, as their users see them."""

import json

import pytest
from cli_fakes import app, hostctl

DOMAINS = "/apps/hello/domains"
TARGET = "hello.apps.example.com"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("hostd.cli.domains.ASK_AGAIN_SECONDS", 0.01)


def dns(leads, message, *records, addresses=()):
    known = [{"type": kind, "name": name, "value": value} for kind, name, value in records]
    return {"leads": leads, "message": message, "records": known, "addresses": list(addresses), "aliases": []}


def domain(hostname, checked=None, unicode=None, **more):
    return {
        "id": f"id-of-{hostname}",
        "app": {"name": "hello"},
        "hostname": hostname,
        "kind": "custom",
        "cname": TARGET,
        "created_at": "2015-11-17T17:37:41Z",
        "status": "succeeded" if checked and checked["leads"] == "here" else "pending",
        "extended": {"dns": checked, "unicode": unicode or hostname},
        **more,
    }


BUILT_IN = domain(TARGET, kind="heroku", cname=None, status="succeeded")
CNAME = ("CNAME", "www.shop.de", TARGET)
NOWHERE = domain("www.shop.de", dns("nowhere", "www.shop.de has no address in the DNS yet.", CNAME))
HERE = domain("www.shop.de", dns("here", "www.shop.de leads here.", CNAME, addresses=["192.0.2.1"]))


def test_domains_are_listed_with_their_records_and_where_they_lead(tmp_path, hostd):
    apex = (("ALIAS", "xn--bcher-kva.de", TARGET), ("A", "xn--bcher-kva.de", "192.0.2.1"))
    away = dns("elsewhere", "...", *apex, addresses=["192.0.2.9"])
    found = [BUILT_IN, HERE, domain("xn--bcher-kva.de", away, "bücher.de"), domain("late.de")]
    hostd.on(f"GET {DOMAINS}?check=1", (200, found))
    assert hostctl(tmp_path, "domains", "-a", "hello").out.splitlines() == [
        "=== hello Built-in Domain",
        "",
        TARGET,
        "",
        "=== hello Custom Domains",
        "",
        "Domain Name                   DNS Record Type  DNS Target              Leads",
        "www.shop.de                   CNAME            hello.apps.example.com  here",
        "bücher.de (xn--bcher-kva.de)  ALIAS or A       hello.apps.example.com  to 192.0.2.9",
        "late.de                                        hello.apps.example.com  not known: the DNS takes too long",
        "",
    ]
    assert json.loads(hostctl(tmp_path, "domains", "--json", "-a", "hello").out) == found


def test_domains_are_picked_sorted_and_written_as_heroku_does(tmp_path, hostd):
    served = HERE | {"sni_endpoint": {"name": "gentle-mesa-5445"}, "acm_status": "cert issued"}
    hostd.on(f"GET {DOMAINS}?check=1", (200, [BUILT_IN, served, domain("late.de"), domain("a,b.de")]))
    shown = hostctl(tmp_path, "domains", "--csv", "-x", "--filter", "domain=SHOP", "-a", "hello").out
    assert shown.splitlines() == [
        "Domain Name,DNS Record Type,DNS Target,Leads,SNI Endpoint,ACM Status",
        f"www.shop.de,CNAME,{TARGET},here,gentle-mesa-5445,cert issued",
    ]
    names = hostctl(tmp_path, "domains", "-c", "--columns", "domain name", "--sort=-Domain Name", "-a", "hello").out
    assert names.splitlines() == ["Domain Name", "www.shop.de", "late.de", '"a,b.de"']
    ran = hostctl(tmp_path, "domains", "--sort", "dns", "-a", "hello")
    assert ran.status == 2 and "There is no column 'dns'. The columns are: Domain Name, DNS Record" in ran.err
    assert "--filter must be COLUMN=TEXT" in hostctl(tmp_path, "domains", "--filter", "x", "-a", "hello").err


def test_a_domain_is_added_with_its_certificate(tmp_path, hostd):
    hostd.on(f"POST {DOMAINS}", (201, domain("www.shop.de"))).on(f"GET {DOMAINS}/id-of-www.shop.de", (200, HERE))
    assert hostctl(tmp_path, "domains:add", "www.shop.de", "-c", "gentle-mesa-5445", "-a", "hello").status == 0
    assert hostd.requests[0].json == {"hostname": "www.shop.de", "sni_endpoint": "gentle-mesa-5445"}


def test_an_app_without_domains_says_how_to_add_one(tmp_path, hostd):
    hostd.on(f"GET {DOMAINS}?check=1", (200, [BUILT_IN]))
    ran = hostctl(tmp_path, "domains", "-a", "hello")
    assert TARGET in ran.out and "Custom" not in ran.out
    assert "domains:add" in ran.err


def test_adding_prints_the_record_to_make(tmp_path, hostd):
    hostd.on(f"POST {DOMAINS}", (201, domain("www.shop.de"))).on(f"GET {DOMAINS}/id-of-www.shop.de", (200, NOWHERE))
    ran = hostctl(tmp_path, "domains:add", "www.shop.de", "-a", "hello")
    assert (ran.status, ran.out) == (0, "CNAME  www.shop.de  hello.apps.example.com\n")
    assert ran.err.splitlines() == [
        "Adding www.shop.de to hello... done",
        "www.shop.de has no address in the DNS yet.",
        "Make this record where the name's DNS is kept:",
        "To wait until it leads here: hostctl domains:wait www.shop.de -a hello",
    ]
    assert hostd.requests[0].json == {"hostname": "www.shop.de"}


def test_a_domain_that_leads_here_needs_no_record(tmp_path, hostd):
    hostd.on(f"POST {DOMAINS}", (201, domain("www.shop.de"))).on(f"GET {DOMAINS}/id-of-www.shop.de", (200, HERE))
    ran = hostctl(tmp_path, "domains:add", "www.shop.de", "-a", "hello")
    assert ran.out == "" and ran.err.endswith("www.shop.de leads here.\n")


def test_adding_can_wait(tmp_path, hostd):
    hostd.on(f"POST {DOMAINS}", (201, domain("www.shop.de")))
    hostd.on(f"GET {DOMAINS}/id-of-www.shop.de", (200, NOWHERE), (200, NOWHERE), (200, HERE))
    ran = hostctl(tmp_path, "domains:add", "www.shop.de", "--wait", "-a", "hello")
    assert ran.status == 0 and ran.err.endswith("www.shop.de leads here.\n")


def test_a_refusal_is_shown(tmp_path, hostd):
    hostd.on(f"POST {DOMAINS}", (409, {"id": "conflict", "message": "www.shop.de is in use by the app other."}))
    ran = hostctl(tmp_path, "domains:add", "www.shop.de", "-a", "hello")
    assert ran.status == 1
    assert ran.err == "Adding www.shop.de to hello... failed\n !    www.shop.de is in use by the app other.\n"


def test_domains_are_removed(tmp_path, hostd):
    hostd.on(f"DELETE {DOMAINS}/www.shop.de", (200, HERE))
    assert hostctl(tmp_path, "domains:remove", "www.shop.de", "-a", "hello").err == (
        "Removing www.shop.de from hello... done\n"
    )
    many = [domain(f"{number}.de") for number in range(6)]
    hostd.on(f"DELETE {DOMAINS}", (200, [HERE]), (200, []), (200, many))
    assert hostctl(tmp_path, "domains:clear", "-a", "hello").err == (
        "Removing all domains from hello... done, www.shop.de\n"
    )
    assert hostctl(tmp_path, "domains:clear", "-a", "hello").err.endswith("done, there were none\n")
    assert hostctl(tmp_path, "domains:clear", "-a", "hello").err.endswith("done, 6 domains\n")


def test_a_domain_is_described(tmp_path, hostd):
    hostd.on(f"GET {DOMAINS}/www.shop.de", (200, HERE)).on(f"GET {DOMAINS}/{TARGET}", (200, BUILT_IN))
    told = hostctl(tmp_path, "domains:info", "www.shop.de", "-a", "hello").out
    shown = dict(line.split(":", 1) for line in told.splitlines())
    assert {key: shown[key].strip() for key in ("Hostname", "Kind", "Records", "Addresses", "DNS", "Status")} == {
        "Hostname": "www.shop.de",
        "Kind": "custom",
        "Records": "CNAME www.shop.de hello.apps.example.com",
        "Addresses": "192.0.2.1",
        "DNS": "www.shop.de leads here.",
        "Status": "succeeded",
    }
    assert "It is built in." in hostctl(tmp_path, "domains:info", TARGET, "-a", "hello").out
    assert json.loads(hostctl(tmp_path, "domains:info", "www.shop.de", "--json", "-a", "hello").out) == HERE


def test_waiting_tells_what_changes_and_ends_when_the_name_leads_here(tmp_path, hostd):
    hostd.on(f"GET {DOMAINS}/www.shop.de", (200, NOWHERE))
    hostd.on(f"GET {DOMAINS}/id-of-www.shop.de", (200, NOWHERE), (200, NOWHERE), (200, HERE))
    ran = hostctl(tmp_path, "domains:wait", "www.shop.de", "-a", "hello")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == "www.shop.de has no address in the DNS yet.\nwww.shop.de leads here.\n"


def test_waiting_without_a_name_is_for_all_domains(tmp_path, hostd):
    hostd.on(f"GET {DOMAINS}", (200, [BUILT_IN, NOWHERE, domain("shop.de")]))
    hostd.on(f"GET {DOMAINS}/id-of-www.shop.de", (200, HERE))
    hostd.on(f"GET {DOMAINS}/id-of-shop.de", (200, domain("shop.de", dns("here", "shop.de leads here."))))
    ran = hostctl(tmp_path, "domains:wait", "-a", "hello")
    assert ran.err == "www.shop.de leads here.\nshop.de leads here.\n"
    assert not hostd.asked(f"GET {DOMAINS}/id-of-{TARGET}")


def test_waiting_ends_at_its_deadline(tmp_path, hostd):
    hostd.on(f"GET {DOMAINS}/www.shop.de", (200, NOWHERE)).on(f"GET {DOMAINS}/id-of-www.shop.de", (200, NOWHERE))
    ran = hostctl(tmp_path, "domains:wait", "www.shop.de", "--timeout", "1s", "-a", "hello")
    assert ran.status == 1
    assert ran.err.endswith(" !    After 1s the DNS does not lead here: www.shop.de.\n")


def test_maintenance_is_shown_and_switched(tmp_path, hostd):
    hostd.on("GET /apps/hello", (200, app(maintenance=True))).on("PATCH /apps/hello", (200, app()))
    assert hostctl(tmp_path, "maintenance", "-a", "hello").out == "on\n"
    assert json.loads(hostctl(tmp_path, "maintenance", "--json", "-a", "hello").out) == {"maintenance": True}
    assert hostctl(tmp_path, "maintenance:on", "-a", "hello").err == "Enabling maintenance mode for hello... done\n"
    assert hostctl(tmp_path, "maintenance:off", "-a", "hello").err == "Disabling maintenance mode for hello... done\n"
    switched = [request.json["maintenance"] for request in hostd.requests if request.body]
    assert switched == [True, False]
