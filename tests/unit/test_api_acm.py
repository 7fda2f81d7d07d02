"""Automatic certificates through the API."""

import asyncio
from datetime import timedelta

import pytest
from acme_fakes import DIRECTORY
from api_fakes import running_api
from test_api_certificates import body, site

from hostd.dns import Found
from hostd.ledger.database import utc_now

PLATFORM, NAME = "apps.example.net", "www.example.com"
ACM, STATE = "/apps/hello/acm", "/hostd/apps/hello/acm"


@pytest.fixture
async def api(tmp_path):
    async with running_api(tmp_path, domain=PLATFORM) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        api.names.known = {name: Found(("192.0.2.1",), apex=False) for name in (f"hello.{PLATFORM}", NAME)}
        api.automatic.start()
        yield api


async def state_of(api, wanted):
    """How it stands with the app's only domain, as soon as it stands so."""
    async with asyncio.timeout(5):
        while True:
            found = (await api("GET", STATE)).data
            if [each["status"] for each in found["domains"]] == [wanted]:
                return found["domains"][0]
            await asyncio.sleep(0.01)


async def test_an_app_gets_its_certificates_by_itself(api):
    assert (await api("GET", STATE)).data["enabled"] is False
    await api("POST", "/apps/hello/domains", {"hostname": NAME})
    enabled = await api("POST", ACM, {})
    assert (enabled.status, enabled.data["name"], enabled.data["acm"]) == (200, "hello", True)
    shown = await state_of(api, "ok")
    assert (shown["hostname"], shown["reason"], shown["retry_at"]) == (NAME, None, None)
    (endpoint,) = (await api("GET", "/apps/hello/sni-endpoints")).data
    assert (endpoint["name"], endpoint["ssl_cert"]["acm"]) == (shown["certificate"], True)
    (domain,) = [each for each in (await api("GET", "/apps/hello/domains")).data if each["kind"] == "custom"]
    assert (domain["acm_status"], domain["acm_status_reason"]) == ("ok", None)
    assert domain["sni_endpoint"]["name"] == endpoint["name"]
    assert (await api("GET", "/apps/hello")).data["acm"] is True
    disabled = await api("DELETE", ACM)
    assert disabled.data["acm"] is False
    assert (await api("GET", "/apps/hello/sni-endpoints")).data == []
    assert (await api("GET", STATE)).data["domains"] == []
    told = [line for line in api.log if "utomatic" in line or "certificate for" in line]
    assert [line.partition(" by ")[0].partition(";")[0] for line in told] == [
        "heroku[api]: Enable automatic certificates",
        f"heroku[certs]: Got a certificate for {NAME}",
        "heroku[api]: Disable automatic certificates",
        f"heroku[certs]: Dropped the certificate for {NAME}.",
    ]


async def test_a_refresh_of_a_name_gets_a_new_certificate(api):
    await api("POST", ACM, {})
    await api("POST", "/apps/hello/domains", {"hostname": NAME})
    await state_of(api, "ok")
    (before,) = (await api("GET", "/apps/hello/sni-endpoints")).data
    refused = await api("PATCH", ACM, {"acm_refresh": True, "hostname": NAME})
    assert (refused.status, refused.data["id"], "its certificate is new" in refused.data["message"]) == (
        429, "rate_limit", True
    )  # fmt: skip
    answer = await api("PATCH", ACM, {"acm_refresh": True, "hostname": "WWW.Example.com.", "force": True})
    assert (answer.status, answer.data["acm"]) == (200, True)
    async with asyncio.timeout(5):
        while (await api("GET", "/apps/hello/sni-endpoints")).data[0]["ssl_cert"]["id"] == before["ssl_cert"]["id"]:
            await asyncio.sleep(0.01)
    (after,) = (await api("GET", "/apps/hello/sni-endpoints")).data
    assert after["name"] == before["name"]


@pytest.mark.parametrize(("body", "status"), [
    ({}, 422), ({"acm_refresh": False}, 422), ({"acm_refresh": "yes"}, 422), ({"acm_refresh": True}, 422),
    ({"acm_refresh": True, "hostname": "a b"}, 422), ({"acm_refresh": True, "hostname": 5}, 422),
    ({"acm_refresh": True, "force": "yes"}, 422),
])  # fmt: skip
async def test_a_refresh_by_mistake(api, body, status):
    assert (await api("PATCH", ACM, body)).status == status


async def test_how_names_are_proven_can_be_chosen(api):
    assert (await api("GET", STATE)).data["challenge"] is None
    await api("POST", ACM, {"challenge": "tls-alpn-01"})
    assert (await api("GET", STATE)).data["challenge"] == "tls-alpn-01"
    assert "Enable automatic certificates with tls-alpn-01 by" in api.log[-1]
    for wrong, status in (("by-mail", 422), (7, 422), ("dns-01", 422)):
        assert (await api("POST", ACM, {"challenge": wrong})).status == status
    assert (await api("GET", STATE)).data["challenge"] == "tls-alpn-01"


async def test_a_name_that_gets_none_cannot_be_refreshed(api):
    await api("POST", ACM, {})
    answer = await api("PATCH", ACM, {"acm_refresh": True, "hostname": "other.example.com"})
    assert (answer.status, "gets no certificate by itself" in answer.data["message"]) == (404, True)


async def test_an_automatic_certificate_is_nobodys_to_change_and_gives_way_to_an_added_one(api):
    await api("POST", ACM, {})
    await api("POST", "/apps/hello/domains", {"hostname": NAME})
    name = (await state_of(api, "ok"))["certificate"]
    for method, content in (("DELETE", None), ("PATCH", body(site(NAME)))):
        refused = await api(method, f"/apps/hello/sni-endpoints/{name}", content)
        assert (refused.status, "looked after by itself" in refused.data["message"]) == (422, True)
    renamed = await api("PATCH", f"/apps/hello/sni-endpoints/{name}", {"display_name": "shop"})
    assert renamed.data["display_name"] == "shop"
    added = (await api("POST", "/apps/hello/sni-endpoints", body(site(NAME)))).data
    assert added["extended"]["serves"] == [NAME]
    async with asyncio.timeout(5):
        while len((await api("GET", "/apps/hello/sni-endpoints")).data) > 1:
            await asyncio.sleep(0.01)
    assert (await state_of(api, "ok"))["certificate"] == added["name"]
    await api("DELETE", f"/apps/hello/sni-endpoints/{added['name']}")
    assert (await state_of(api, "ok"))["certificate"] != added["name"]


async def test_the_admin_must_have_accepted_the_terms(tmp_path):
    async with running_api(tmp_path, terms_accepted=False) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        refused = await api("POST", ACM, {})
        assert refused.status == 422
        assert refused.data["message"].startswith("The terms of the certificate authority (https://acme.example/")
        assert (await api("GET", STATE)).data["enabled"] is False


async def part_of_status(api):
    parts = (await api("GET", "/hostd/status")).data["components"]
    return next((part["status"], part["detail"]) for part in parts if part["name"] == "acme")


async def test_an_authority_that_cannot_be_asked_is_a_part_of_the_status(api):
    await api("POST", ACM, {})
    status, detail = await part_of_status(api)
    assert (status, detail.partition(" come ")[0]) == ("ok", "certificates of 1 apps")
    api.ledger.acme_accounts.make(DIRECTORY, "key")
    api.ledger.acme_accounts.hold(DIRECTORY, "it cannot be reached", utc_now() + timedelta(minutes=5), 1)
    assert await part_of_status(api) == ("degraded", "an admin sees why")
    api.user = "kate@example.com"
    assert await part_of_status(api) == ("degraded", "it cannot be reached")


async def test_who_wants_no_automatic_certificates_is_well_without(tmp_path):
    async with running_api(tmp_path, terms_accepted=False) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        status, detail = await part_of_status(api)
        assert (status, detail.partition(":")[0]) == ("ok", "off")
        api.ledger.acm.enable(app.id)
        assert (await part_of_status(api))[0] == "degraded"


async def test_strangers_may_do_nothing(api):
    api.user = "ann@example.com"
    for method, path in (("GET", STATE), ("POST", ACM), ("PATCH", ACM), ("DELETE", ACM)):
        assert (await api(method, path, {} if method != "GET" else None)).status == 404
