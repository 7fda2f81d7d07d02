"""Certificates and https through the API."""

import datetime

import pytest
from api_fakes import running_api
from tls_kit import DAY, intermediate, make, root

from hostd.ledger import Hsts, Https

NOW = datetime.datetime.now(datetime.UTC)
ROOT = root()
MIDDLE = intermediate(ROOT)


def site(*names: str, ends: datetime.datetime = NOW + 60 * DAY):
    return make(*names, issuer=MIDDLE, starts=NOW - DAY, ends=ends)


@pytest.fixture
async def api(tmp_path):
    (tmp_path / "roots.crt").write_text(ROOT.pem)
    async with running_api(tmp_path) as api:
        api.tls = tmp_path / "tls"
        api.app = api.ledger.apps.create("hello", api.users["you"].id)
        yield api


def body(made, chain: str = MIDDLE.pem):
    return {"certificate_chain": made.pem + chain, "private_key": made.key_pem}


def domain(api, hostname: str):
    return api.ledger.domains.add(api.app.id, hostname, api.users["you"])


async def test_a_certificate_is_added_shown_and_given_to_the_router(api):
    known, made = domain(api, "www.example.com"), site("www.example.com", "other.test")
    answer = await api("POST", "/apps/hello/sni-endpoints", body(made))
    assert answer.status == 201
    assert "Warning-Message" not in answer.headers
    shown = answer.data
    assert shown["certificate_chain"] == made.pem + MIDDLE.pem
    assert shown["ssl_cert"] == {
        "acm": False,
        "ca_signed?": True,
        "cert_domains": ["www.example.com", "other.test"],
        "expires_at": made.certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "id": shown["extended"]["fingerprint"],
        "issuer": "CN=Test intermediate",
        "self_signed?": False,
        "starts_at": made.certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "subject": "CN=www.example.com",
    }
    assert shown["domains"] == [known.id]
    assert shown["extended"]["serves"] == ["www.example.com"]
    (file,) = api.tls.iterdir()
    assert file.read_text() == made.key_pem + made.pem + MIDDLE.pem
    assert ("route", api.app.id) in api.manager.calls
    assert any("Add certificate" in line and "you@example.com" in line for line in api.log)
    for name in (shown["name"], shown["id"]):
        assert (await api("GET", f"/apps/hello/sni-endpoints/{name}")).data == shown
    assert (await api("GET", "/apps/hello/sni-endpoints")).data == [shown]


async def test_no_answer_and_no_line_holds_the_key(api):
    made = site("www.example.com")
    answer = await api("POST", "/apps/hello/sni-endpoints", body(made))
    secret = made.key_pem.splitlines()[1]
    assert secret not in str(answer.data) + str(answer.headers) + "".join(api.log)


async def test_what_is_not_perfect_is_told(api):
    answer = await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com"), ""))
    warning = answer.headers["Warning-Message"]
    assert "chain is not complete" in warning
    assert "serves none of the names of hello (hello.localhost)" in warning
    assert "hostctl domains:add www.example.com -a hello" in warning


@pytest.mark.parametrize(("body", "status", "message"), [
    ({}, 422, "no certificate in this"),
    ({"certificate_chain": site("a.test").pem}, 422, "no private key in this"),
    ({"certificate_chain": 5, "private_key": "x"}, 422, "certificate_chain"),
    ({"certificate_chain": "nothing", "private_key": "nothing"}, 422, "no certificate in this"),
    (body(site("a.test")) | {"display_name": "x" * 101}, 422, "display name"),
])  # fmt: skip
async def test_what_is_refused_leaves_nothing(api, body, status, message):
    answer = await api("POST", "/apps/hello/sni-endpoints", body)
    assert (answer.status, message in answer.data["message"]) == (status, True)
    assert api.ledger.certificates.every() == []
    assert list(api.tls.iterdir()) == []


async def test_a_disk_that_is_full_is_told_and_made_good_later(api, monkeypatch):
    from hostd.certificates.shelf import Shelf

    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Shelf, "put", full)
        answer = await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com")))
    assert answer.status == 503
    assert "No space left on device. hostd tries again" in answer.data["message"]
    assert len(api.ledger.certificates.every()) == 1


async def test_an_update_takes_its_place_with_the_same_key_if_none_is_given(api):
    domain(api, "www.example.com")
    old = site("www.example.com")
    name = (await api("POST", "/apps/hello/sni-endpoints", body(old))).data["name"]
    renewed = make("www.example.com", issuer=MIDDLE, key=old.key, starts=NOW - DAY, ends=NOW + 90 * DAY)
    chain = {"certificate_chain": renewed.pem + MIDDLE.pem}
    answer = await api("PATCH", f"/apps/hello/sni-endpoints/{name}", chain)
    assert answer.status == 200
    assert answer.data["certificate_chain"] == renewed.pem + MIDDLE.pem
    foreign = site("www.example.com")
    refused = await api("PATCH", f"/apps/hello/sni-endpoints/{name}", {"certificate_chain": foreign.pem})
    assert refused.status == 422
    assert "not that of the certificate" in refused.data["message"]
    other = await api("PATCH", f"/apps/hello/sni-endpoints/{name}", body(foreign))
    assert other.data["name"] == name
    alone = await api("PATCH", f"/apps/hello/sni-endpoints/{name}", {"private_key": foreign.key_pem})
    assert alone.status == 422
    named = await api("PATCH", f"/apps/hello/sni-endpoints/{name}", {"display_name": "shop"})
    assert named.data["display_name"] == "shop"


async def test_old_keys_are_gone_from_the_router_but_not_those_that_another_app_has(api):
    api.ledger.apps.create("other", api.users["you"].id)
    old, new = site("www.example.com"), site("www.example.com")
    names = [(await api("POST", f"/apps/{app}/sni-endpoints", body(old))).data["name"] for app in ("hello", "other")]
    await api("PATCH", f"/apps/hello/sni-endpoints/{names[0]}", body(new))
    assert len(list(api.tls.iterdir())) == 2
    await api("PATCH", f"/apps/hello/sni-endpoints/{names[0]}", body(new))
    await api("DELETE", f"/apps/other/sni-endpoints/{names[1]}")
    (left,) = api.tls.iterdir()
    assert left.read_text().startswith(new.key_pem)


async def test_a_removed_one_is_gone(api):
    shown = (await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com")))).data
    removed = await api("DELETE", f"/apps/hello/sni-endpoints/{shown['name']}")
    assert removed.data["id"] == shown["id"]
    assert list(api.tls.iterdir()) == []
    assert (await api("GET", f"/apps/hello/sni-endpoints/{shown['name']}")).status == 404
    assert (await api("DELETE", f"/apps/hello/sni-endpoints/{shown['name']}")).status == 404


async def test_strangers_may_do_nothing(api):
    shown = (await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com")))).data
    api.user = "ann@example.com"
    for method, path in (
        ("GET", "/apps/hello/sni-endpoints"),
        ("POST", "/apps/hello/sni-endpoints"),
        ("GET", f"/apps/hello/sni-endpoints/{shown['id']}"),
        ("PATCH", f"/apps/hello/sni-endpoints/{shown['id']}"),
        ("DELETE", f"/apps/hello/sni-endpoints/{shown['id']}"),
        ("GET", "/hostd/apps/hello/https"),
        ("PATCH", "/hostd/apps/hello/https"),
    ):
        assert (await api(method, path, {} if method != "GET" else None)).status == 404


# Which one a domain has


async def test_a_domain_names_its_certificate_and_can_be_given_another(api):
    domain(api, "www.example.com")
    first = (await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com")))).data
    second = (await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com")))).data
    of = "/apps/hello/domains/www.example.com"
    assert (await api("GET", of)).data["sni_endpoint"] == {"id": second["id"], "name": second["name"]}
    chosen = await api("PATCH", of, {"sni_endpoint": first["name"]})
    assert chosen.data["sni_endpoint"]["id"] == first["id"]
    (listed,) = [each for each in (await api("GET", "/apps/hello/domains")).data if each["kind"] == "custom"]
    assert listed["sni_endpoint"]["id"] == first["id"]
    built_in = await api("PATCH", "/apps/hello/domains/hello.localhost", {"sni_endpoint": first["name"]})
    assert "not for hello.localhost" in built_in.data["message"]


async def test_a_wildcard_does_not_take_the_place_of_a_name(api):
    domain(api, "www.example.com")
    await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com")))
    wild = (await api("POST", "/apps/hello/sni-endpoints", body(site("*.example.com")))).data
    refused = await api("PATCH", "/apps/hello/domains/www.example.com", {"sni_endpoint": wild["id"]})
    assert refused.status == 422
    assert "stays with" in refused.data["message"]


# https


async def test_what_is_wanted_of_https(api):
    assert (await api("GET", "/hostd/apps/hello/https")).data == {"hsts": None, "redirect": False}
    answer = await api("PATCH", "/hostd/apps/hello/https", {"redirect": True})
    assert answer.data == {"hsts": None, "redirect": True}
    assert "do not trust the certificate of hello.localhost" in answer.headers["Warning-Message"]
    wanted = {"max_age": 60, "include_subdomains": True}
    answer = await api("PATCH", "/hostd/apps/hello/https", {"hsts": wanted})
    assert answer.data == {"hsts": {**wanted, "preload": False}, "redirect": True}
    assert "they let nobody pass" in answer.headers["Warning-Message"]
    assert api.ledger.https.get(api.app.id) == Https(True, Hsts(60, subdomains=True))
    assert [line for line in api.log if "HSTS" in line or "Redirect" in line] == [
        "heroku[api]: Redirect http by you@example.com",
        "heroku[api]: Set HSTS to max-age=60; includeSubDomains by you@example.com",
    ]
    answer = await api("PATCH", "/hostd/apps/hello/https", {"hsts": None, "redirect": False})
    assert answer.data == {"hsts": None, "redirect": False}
    assert "Warning-Message" not in answer.headers


async def test_nobody_is_warned_of_certificates_that_browsers_trust(api):
    await api("POST", "/apps/hello/sni-endpoints", body(site("*.localhost")))
    answer = await api("PATCH", "/hostd/apps/hello/https", {"redirect": True, "hsts": {"max_age": 9}})
    assert "Warning-Message" not in answer.headers


@pytest.mark.parametrize(("body", "status"), [
    ({}, 422), ({"redirect": "yes"}, 422), ({"hsts": True}, 422), ({"hsts": {}}, 422), ({"other": 1}, 422),
    ({"hsts": {"max_age": True}}, 422), ({"hsts": {"max_age": -1}}, 422), ({"hsts": {"max_age": 10**9}}, 422),
    ({"hsts": {"max_age": 60, "more": 1}}, 422), ({"hsts": {"max_age": 60, "preload": True}}, 422),
    ({"hsts": {"max_age": 60, "include_subdomains": True, "preload": True}}, 422),
])  # fmt: skip
async def test_https_by_mistake(api, body, status):
    assert (await api("PATCH", "/hostd/apps/hello/https", body)).status == status
    assert api.ledger.https.get(api.app.id) == Https()


# The platform's own


@pytest.mark.parametrize(("age", "status"), [(0, "ok"), (800, "ok"), (812, "degraded"), (900, "degraded")])
async def test_the_platforms_certificate_is_a_part_of_its_status(tmp_path, age, status):
    async with running_api(tmp_path, platform_certificate_of=NOW - age * DAY) as api:
        api.user = "kate@example.com"
        (part,) = [each for each in (await api("GET", "/hostd/status")).data["components"] if each["name"] == "https"]
    ends = NOW + (825 - age) * DAY
    assert part["status"] == status
    hosts = "localhost, *.localhost, api.localhost, git.localhost"
    assert part["detail"] == f"{hosts} until {ends:%Y-%m-%d}, signed by itself"


async def test_a_domain_is_added_with_the_certificate_that_it_is_to_have(api):
    first, second = [
        (await api("POST", "/apps/hello/sni-endpoints", body(site("www.example.com")))).data["name"] for _ in range(2)
    ]
    other = (await api("POST", "/apps/hello/sni-endpoints", body(site("other.test")))).data["name"]
    for wrong, status in ((other, 422), ("none", 404), (7, 422)):
        refused = await api("POST", "/apps/hello/domains", {"hostname": "www.example.com", "sni_endpoint": wrong})
        assert refused.status == status
    made = await api("POST", "/apps/hello/domains", {"hostname": "www.example.com", "sni_endpoint": first})
    assert (made.status, made.data["sni_endpoint"]["name"]) == (201, first)
    assert first != second
