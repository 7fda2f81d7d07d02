import json
import re
from collections import Counter

import pytest

from hostd.api.schema import RESOURCES, check_body, flaw, link_of, links
from hostd.errors import Invalid
from tests.unit.api_fakes import running_api


async def routes_of(tmp_path):
    async with running_api(tmp_path) as api:
        return {
            f"{route.method} {route.resource.canonical}"
            for route in api.application.router.routes()
            if route.method != "HEAD" and route.resource is not None
        }


async def test_every_route_has_a_link_and_every_link_a_route(tmp_path):
    routes, linked = await routes_of(tmp_path), {link.call for link in links()}
    assert routes - linked == set(), "routes that hostd/api/schema does not know"
    assert linked - routes == set(), "links that lead nowhere"


def test_no_call_is_declared_twice():
    calls = [link.call for link in links()]
    assert sorted(calls) == sorted(set(calls))


@pytest.mark.parametrize(
    ("call", "body", "message"),
    [
        ("POST /account/keys", {}, "The field public_key is missing."),
        ("POST /account/keys", {"public_key": 5}, "The field public_key must be a text that is not empty."),
        ("POST /apps", {"buildpacks": [1]}, "The field buildpacks[0] must be a text."),
        ("POST /apps", {"buildpacks": "python"}, "The field buildpacks must be a list of texts or null."),
        ("PATCH /apps/{app}", {"maintenance": "yes"}, "The field maintenance must be true or false or null."),
        ("PATCH /apps/{app}", {"stack": "x"},
         "There is no field stack here. There are: build_stack, maintenance, name."),
        ("PATCH /apps/{app}/formation", {"updates": [{"quantity": 1}]}, "The field updates[0].type is missing."),
        ("PATCH /apps/{app}/formation", {"updates": [{"type": "web", "quantity": 1.5}]},
         "The field updates[0].quantity must be a number, or a text such as 2, +1 or -1."),
        ("PATCH /apps/{app}/config-vars", {"A": 1}, "The field A must be a text, or null to unset it."),
        ("PATCH /hostd/apps/{app}/https", {}, "Nothing is to be changed. These fields can: hsts, redirect."),
        ("POST /apps/{app}/dynos/{dyno}/actions/forward", {"port": 0},
         "The field port must be a whole number from 1 to 65535."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_body_is_said_of_its_field(call, body, message):
    with pytest.raises(Invalid, match=re.escape(message)):
        check_body(link_of(*call.split()), body)


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("PATCH /apps/{app}/formation", {"updates": [{"type": "web", "quantity": "+1"}]}),
        ("POST /apps/{app}/dynos", {"command": "ls", "env": {"TERM": "xterm", "COLUMNS": 80, "LINES": 24}}),
        ("POST /apps/{app}/log-sessions", {"dyno": "web", "lines": 100, "tail": True}),
        ("POST /apps/{app}/domains", {"hostname": "www.example.com", "sni_endpoint": None}),
        ("POST /apps", {"name": "hello", "feature_flags": "x", "locked": False}),
    ],
)
def test_what_the_official_cli_sends_is_taken(call, body):
    check_body(link_of(*call.split()), body)


def test_an_answer_that_is_not_as_promised_is_noticed():
    link = link_of("GET", "/apps/{app}/config-vars")
    assert flaw(link, 200, {"A": "1"}) is None
    assert flaw(link, 200, {"A": 1}) == "GET /apps/{app}/config-vars answered with 200: The field A must be a text."
    assert flaw(link, 404, {"id": "not_found", "message": "Nothing."}) is None
    assert "The field message is missing" in flaw(link, 404, {"id": "not_found"})
    assert "promises text/plain" in flaw(link_of("GET", "/hostd/metrics"), 200, {})


async def test_the_kit_of_these_tests_fails_a_test_with_such_an_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("hostd.api.account.account_json", lambda user: {"email": user.email})
    with pytest.raises(AssertionError, match="GET /account answered with 200: The field allow_tracking is missing"):
        async with running_api(tmp_path) as api:
            assert (await api("GET", "/account")).status == 200


async def test_the_schema_is_served(tmp_path):
    async with running_api(tmp_path) as api:
        schema = (await api("GET", "/schema")).data
    app = schema["definitions"]["app"]
    assert {"acm", "name", "web_url"} <= set(app["properties"])
    hrefs = {link["title"]: link["href"] for link in app["links"]}
    assert hrefs["Info"] == "/apps/{(%23%2Fdefinitions%2Fapp%2Fdefinitions%2Fidentity)}"
    missing = [
        (resource.name, title)
        for resource in RESOURCES
        for title, count in Counter(link.title for link in resource.links).items()
        if count > 1
    ]
    assert missing == [], "clients make methods of titles"


async def test_openapi_says_the_same(tmp_path):
    async with running_api(tmp_path) as api:
        document = (await api("GET", "/openapi.json")).data
    assert document["openapi"] == "3.1.0"
    operations = {
        f"{verb.upper()} {path}": each for path, verbs in document["paths"].items() for verb, each in verbs.items()
    }
    assert set(operations) == {link.call for link in links() if link.public}
    ids = [each["operationId"] for each in operations.values()]
    assert len(ids) == len(set(ids))
    assert not any(path.startswith(("/hostd/ssh/", "/hostd/pushes")) for path in document["paths"])
    names = set(re.findall(r'"#/components/(?:schemas|responses)/([a-z0-9-]+)"', json.dumps(document)))
    assert names <= {*document["components"]["schemas"], *document["components"]["responses"]}
    assert "#/definitions/" not in json.dumps(document)
