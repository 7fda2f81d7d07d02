"""What Heroku has and this platform has none of, or the same for everybody."""

import base64

import pytest
from api_fakes import running_api

from buildpacks.contract import NAMES
from hostd.api.buildpacks import DESCRIPTIONS


@pytest.mark.parametrize(
    "path",
    ["/teams", "/spaces", "/addons", "/addon-services", "/addon-attachments", "/account/features",
     "/apps/hello/addons", "/apps/hello/addon-attachments", "/apps/hello/telemetry-drains"],
)  # fmt: skip
async def test_what_there_is_none_of_is_an_empty_list(tmp_path, path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        assert ((await api("GET", path)).status, (await api("GET", path)).data) == (200, [])
        if "hello" in path:
            api.user = "ann@example.com"
            assert (await api("GET", path)).status == 404


@pytest.mark.parametrize(
    ("call", "body", "resource"),
    [
        ("GET /teams/acme", None, "team"),
        ("GET /teams/acme/apps", None, "team"),
        ("GET /teams/apps/hello", None, "app"),
        ("POST /teams/apps", {"team": "acme"}, "team"),
        ("POST /teams/apps", {"space": "moon"}, "space"),
        ("POST /apps", {"team": "acme"}, "team"),
        ("POST /apps", {"space": "moon"}, "space"),
        ("POST /apps", {"region": "eu"}, "region"),
        ("GET /spaces/moon", None, "space"),
        ("GET /regions/eu", None, "region"),
        ("GET /addon-services/heroku-redis", None, "addon_service"),
        ("GET /addon-services/heroku-redis/plans", None, "addon_service"),
        ("POST /apps/hello/addons", {"plan": "heroku-redis:mini"}, "addon_service"),
        ("POST /apps/hello/addons", {"plan": {"name": "heroku-redis:mini"}}, "addon_service"),
        ("GET /addons/redis-round-1", None, "add_on"),
        ("GET /addons/redis-round-1/addon-attachments", None, "add_on"),
        ("GET /apps/hello/addons/redis-round-1", None, "add_on"),
        ("POST /actions/addons/resolve", {"addon": "redis", "app": None}, "add_on"),
        ("GET /addon-attachments/REDIS", None, "attachment"),
        ("GET /apps/hello/addon-attachments/REDIS", None, "attachment"),
        ("POST /actions/addon-attachments/resolve", {"addon_attachment": "DATABASE_URL", "app": "hello"}, "attachment"),
    ],
)
async def test_and_one_of_it_is_not_found(tmp_path, call, body, resource):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        answer = await api(*call.split(), body)
        assert (answer.status, answer.data["id"], answer.data.get("resource")) == (404, "not_found", resource)
        assert [app.name for app in api.ledger.apps.list()] == ["hello"]


async def test_the_region_is_this_server(tmp_path):
    async with running_api(tmp_path) as api:
        (region,) = (await api("GET", "/regions")).data
        assert (region["name"], region["description"]) == ("local", "This server, localhost")
        for reference in (region["name"], region["id"]):
            assert (await api("GET", f"/regions/{reference}")).data == region
            made = await api("POST", "/apps", {"region": reference})
            assert made.data["region"] == {"id": region["id"], "name": "local"}
        assert (await api("POST", "/apps", {"region": {"name": "local"}, "stack": {"name": "host"}})).status == 201


async def test_several_apps_are_asked_for_at_once(tmp_path):
    async with running_api(tmp_path) as api:
        one, other = (api.ledger.apps.create(name, api.users["you"].id) for name in ("one", "other"))
        foreign = api.ledger.apps.create("foreign", api.users["ann"].id)
        unknown = "00000000-0000-0000-0000-000000000000"
        body = {"in": {"id": [other.id, one.id, one.id, foreign.id, unknown]}}
        found = await api("POST", "/filters/apps", body)
        assert [app["name"] for app in found.data] == ["other", "one"]
        assert (await api("POST", "/filters/apps", {"in": {"id": "x"}})).status == 422


async def test_the_bundled_buildpacks_are_a_registry_for_everybody(tmp_path):
    assert set(DESCRIPTIONS) == set(NAMES)
    async with running_api(tmp_path) as api:
        ask = api.with_token
        listed = (await ask(None, "GET", "/buildpacks")).data
        assert [pack["name"] for pack in listed] == sorted(NAMES)
        for query, names in (("in[name][]=python&in[name][]=go", ["go", "python"]), ("in[namespace][]=acme", []),
                             ("in[namespace][]=heroku&like[description]=Maven", ["java"])):  # fmt: skip
            assert [pack["name"] for pack in (await ask(None, "GET", f"/buildpacks?{query}")).data] == names
        shown = (await ask(None, "GET", "/buildpacks/heroku%2Fpython")).data
        assert (shown["blob_url"], shown["namespace"]) == ("urn:buildpack:heroku/python", "heroku")
        (revision,) = (await ask(None, "GET", "/buildpacks/heroku%2Fpython/revisions")).data
        assert revision["status"] == "published"
        readme = (await ask(None, "GET", "/buildpacks/heroku%2Fpython/readme")).data
        assert b"Python" in base64.b64decode(readme["content"])
        assert (await ask(None, "GET", "/buildpacks/acme%2Fcobol")).status == 404
        # What the registry names is what an app's buildpack can be, and is shown as people write it.
        api.ledger.apps.create("hello", api.users["you"].id)
        body = {"updates": [{"buildpack": shown["blob_url"]}]}
        chosen = await api("PUT", "/apps/hello/buildpack-installations", body, headers={"Range": ""})
        assert [each["buildpack"]["url"] for each in chosen.data] == ["heroku/python"]


async def test_how_the_platform_is_is_told_without_details(tmp_path):
    async with running_api(tmp_path) as api:
        told = (await api.with_token(None, "GET", "/api/v4/current-status")).data
        assert [each["system"] for each in told["status"]] == ["Apps", "Data", "Tools"]
        assert {each["status"] for each in told["status"]} <= {"green", "yellow"}
        assert told["incidents"] == []


async def test_usage_counts_nothing(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", "/apps/hello/usage")).data == {"addons": [], "id": app.id, "name": "hello"}


async def test_a_slug_is_released_once_more(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        first = api.deployed(app, commit="1" * 40)
        api.deployed(app, commit="2" * 40)
        body = {"slug": first.slug_id, "description": "Retry of v2: Deploy 1111111"}
        made = await api("POST", "/apps/hello/releases", body)
        assert (made.status, made.data["version"], made.data["slug"]["id"]) == (201, 4, first.slug_id)
        assert made.data["description"] == "Retry of v2: Deploy 1111111"
        other = api.ledger.apps.create("other", api.users["you"].id)
        foreign = api.deployed(other)
        for body, status in (({"slug": foreign.slug_id}, 404), ({}, 422), ({"slug": "", "release": None}, 422)):
            assert (await api("POST", "/apps/hello/releases", body)).status == status, body
