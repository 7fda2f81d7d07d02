"""Domains by the API."""

import pytest
from api_fakes import running_api

from hostd.dns import Found

PLATFORM = "apps.example.com"
TARGET = f"hello.{PLATFORM}"
DOMAINS = "/apps/hello/domains"


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, domain=PLATFORM) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        api.names.known[TARGET] = Found(("192.0.2.1",), apex=False)
        yield api


async def hostnames(api):
    return [domain["hostname"] for domain in (await api("GET", DOMAINS)).data]


async def test_an_app_has_its_built_in_name_by_itself(api):
    (built_in,) = (await api("GET", DOMAINS)).data
    assert built_in["hostname"] == TARGET
    assert (built_in["kind"], built_in["cname"], built_in["status"]) == ("heroku", None, "succeeded")
    for name in (TARGET, TARGET.upper(), f"{TARGET}.", built_in["id"]):
        assert (await api("GET", f"{DOMAINS}/{name}")).data == built_in
        refused = await api("DELETE", f"{DOMAINS}/{name}")
        assert refused.status == 422 and "is built in" in refused.data["message"]


async def test_a_domain_is_added_shown_and_removed(api):
    app = api.ledger.apps.get("hello")
    made = await api("POST", DOMAINS, {"hostname": "WWW.Shop.de.", "sni_endpoint": None})
    assert made.status == 201
    fields = ("hostname", "kind", "cname", "status", "acm_status", "sni_endpoint", "app")
    assert {field: made.data[field] for field in fields} == {
        "hostname": "www.shop.de",
        "kind": "custom",
        "cname": TARGET,
        "status": "pending",
        "acm_status": None,
        "sni_endpoint": None,
        "app": {"id": app.id, "name": "hello"},
    }
    assert made.data["extended"]["dns"] is None
    assert api.names.asked == [], "adding a domain waits for nobody's DNS"
    assert api.log[-1] == "heroku[api]: Add domain www.shop.de by you@example.com"
    assert api.manager.calls[-1] == ("route", app.id)
    assert await hostnames(api) == [TARGET, "www.shop.de"]
    removed = await api("DELETE", f"{DOMAINS}/WWW.shop.de")
    assert removed.data["id"] == made.data["id"]
    assert api.log[-1] == "heroku[api]: Remove domain www.shop.de by you@example.com"
    assert api.manager.calls[-1] == ("route", app.id)
    assert await hostnames(api) == [TARGET]
    assert (await api("DELETE", f"{DOMAINS}/www.shop.de")).status == 404


async def test_all_domains_are_removed_at_once(api):
    for name in ("a.de", "*.b.de"):
        await api("POST", DOMAINS, {"hostname": name})
    routed = len(api.manager.calls)
    cleared = await api("DELETE", DOMAINS)
    assert [domain["hostname"] for domain in cleared.data] == ["a.de", "*.b.de"]
    assert api.log[-2:] == [f"heroku[api]: Remove domain {name} by you@example.com" for name in ("a.de", "*.b.de")]
    assert len(api.manager.calls) == routed + 1
    assert await hostnames(api) == [TARGET]
    assert (await api("DELETE", DOMAINS)).data == []


async def test_other_scripts_are_written_in_punycode_and_found_either_way(api):
    made = (await api("POST", DOMAINS, {"hostname": "bücher.example"})).data
    assert (made["hostname"], made["extended"]["unicode"]) == ("xn--bcher-kva.example", "bücher.example")
    for name in ("bücher.example", "xn--bcher-kva.example", made["id"]):
        assert (await api("GET", f"{DOMAINS}/{name}")).data["id"] == made["id"]


async def test_a_domain_has_succeeded_when_it_leads_here(api):
    await api("POST", DOMAINS, {"hostname": "www.shop.de"})
    shown = (await api("GET", f"{DOMAINS}/www.shop.de")).data
    assert (shown["status"], shown["extended"]["dns"]["leads"]) == ("pending", "nowhere")
    assert shown["extended"]["dns"]["records"] == [{"type": "CNAME", "name": "www.shop.de", "value": TARGET}]
    api.names.known["www.shop.de"] = Found(("192.0.2.1",), (TARGET,), apex=False)
    assert (await api("GET", f"{DOMAINS}/www.shop.de")).data["status"] == "succeeded"
    asked = len(api.names.asked)
    assert (await api("GET", DOMAINS)).data[1]["status"] == "succeeded"
    assert len(api.names.asked) == asked, "a list tells what is known and waits for nobody"
    api.names.known["www.shop.de"] = Found(trouble="all nameservers failed")
    (_, listed) = (await api("GET", f"{DOMAINS}?check=1")).data
    assert (listed["status"], listed["extended"]["dns"]["leads"]) == ("pending", "unanswered")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"hostname": "192.0.2.1"}, 422),
        ({"hostname": "shop.de:80"}, 422),
        ({"hostname": TARGET}, 422),
        ({"hostname": PLATFORM}, 422),
        ({"hostname": "*.example.com"}, 422),
        ({"hostname": "x" * 100_000}, 422),
        ({"hostname": ""}, 422),
        ({"hostname": 1}, 422),
        ({}, 422),
    ],
)
async def test_what_can_be_no_domain_is_refused(api, body, status):
    refused = await api("POST", DOMAINS, body)
    assert refused.status == status
    assert len(refused.data["message"]) < 400
    assert await hostnames(api) == [TARGET]


async def test_one_app_a_domain(api):
    api.ledger.apps.create("other", api.users["ann"].id)
    await api("POST", DOMAINS, {"hostname": "*.shop.de"})
    twice = await api("POST", DOMAINS, {"hostname": "*.shop.de"})
    assert (twice.status, twice.data["id"]) == (422, "invalid_params")
    assert "hello has the domain" in twice.data["message"]
    api.user = "ann@example.com"
    for name in ("*.shop.de", "www.shop.de"):
        refused = await api("POST", "/apps/other/domains", {"hostname": name})
        assert refused.status == 422 and "an app of somebody else" in refused.data["message"]
        assert "hello" not in refused.data["message"]
    assert (await api("GET", DOMAINS)).status == 404
    assert (await api("POST", DOMAINS, {"hostname": "ann.de"})).status == 404
    assert (await api("DELETE", f"{DOMAINS}/*.shop.de")).status == 404


async def test_an_admin_is_told_whose_ground_a_name_is_on(api):
    await api("POST", DOMAINS, {"hostname": "*.shop.de"})
    api.ledger.apps.create("other", api.users["ann"].id)
    api.user = "kate@example.com"
    added = await api("POST", "/apps/other/domains", {"hostname": "www.shop.de"})
    assert added.status == 201
    said = "www.shop.de is on the ground of *.shop.de, a domain of the app hello."
    assert added.headers["Warning-Message"] == said
    assert "Warning-Message" not in (await api("POST", "/apps/other/domains", {"hostname": "ann.de"})).headers


async def test_a_renamed_app_keeps_its_domains_and_a_destroyed_one_frees_them(api):
    await api("POST", DOMAINS, {"hostname": "www.shop.de"})
    assert (await api("PATCH", "/apps/hello", {"name": "store"})).status == 200
    built_in, own = (await api("GET", "/apps/store/domains")).data
    assert (built_in["hostname"], own["cname"]) == (f"store.{PLATFORM}", f"store.{PLATFORM}")
    assert (await api("DELETE", "/apps/store")).status == 200
    api.ledger.apps.create("other", api.users["you"].id)
    assert (await api("POST", "/apps/other/domains", {"hostname": "www.shop.de"})).status == 201
