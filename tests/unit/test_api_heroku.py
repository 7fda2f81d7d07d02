"""What the API promises, held against Heroku's published schema of version 3.

`heroku_schema.json` has of that schema (as the gem platform-api 3 carries it) the fields with their types and the links
of those resources that this platform has.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from api_fakes import running_api

from hostd.api.schema.registry import definitions, links

HEROKU: dict[str, Any] = json.loads((Path(__file__).parent / "heroku_schema.json").read_text())

NOT_HERE = {
    # There is nothing of the kind on this platform: what would name one is always null.
    "account": {"identity_provider.team", "identity_provider.organization", "identity_provider.owner"},
    "app": {"organization.", "team.", "space."},
    "log-drain": {"addon.app"},
    "release": {"artifacts[].type"},
    "team": {"credit_card_collections", "enterprise_account", "identity_provider", "membership_limit", "provisioned_l"},
    "add-on": {"actions"},
    "add-on-service": {"supported_generations"},
    "oauth-token": {"client.", "grant.", "refresh_token.", "session."},
    "plan": {"compliance", "installable_", "space_default"},
}
"""Fields that are missing, by how they begin."""
NULL_HERE = {
    "add-on": {"provider_id", "provision_message"},
    "app-setup": {"postdeploy.exit_code"},  # until it has ended
    "build": {"source_blob.url", "stack"},  # a push has no address; the stack is known when the build has begun
    "dyno": {"release.id"},
    "key": {"comment"},
    "oauth-authorization": {"client.redirect_uri"},
    "oauth-token": {"client", "grant", "refresh_token", "session"},
}
"""Fields that may be null here, and not at Heroku."""
NO_LINK = (
    "PATCH /apps/{}/addons/{}",
    "DELETE /apps/{}/addons/{}",
    "POST /addon-attachments",
    "DELETE /addon-attachments/{}",
    "GET /teams/{}/",
    "PATCH /teams/{}",
    "DELETE /teams/{}",
    "POST /teams",
    "GET /enterprise-accounts/{}/teams",
    "POST /enterprise-accounts/{}/teams",
    "GET /plans/{}",
    "GET /addon-services/{}/plans/{}",
    "PUT /addons/{}/log-drains/{}",
    "GET /addons/{}/log-drains",
    # Who goes is removed by an admin, who sees to what they leave.
    "DELETE /account",
    "DELETE /users/{}",
)
"""Calls that are not there: add-ons and teams are none yet."""


def parts(schema: Any, prefix: str = "") -> dict[str, tuple[set[str], Any]]:
    """The types of each field of a definition of ours, by its path."""
    found: dict[str, tuple[set[str], Any]] = {}
    for name, field in fields_of(schema).items():
        found[prefix + name] = types_of(field), field
        found |= parts(field, f"{prefix}{name}.")
        for item in each_of(field):
            if "items" in item:
                found |= parts(item["items"], f"{prefix}{name}[].")
    return found


def each_of(schema: Any) -> list[Any]:
    if "$ref" in schema:
        return each_of(definitions()[schema["$ref"].rpartition("/")[2]])
    return [each for one in schema["anyOf"] for each in each_of(one)] if "anyOf" in schema else [schema]


def fields_of(schema: Any) -> dict[str, Any]:
    return {name: field for each in each_of(schema) for name, field in each.get("properties", {}).items()}


def types_of(schema: Any) -> set[str]:
    found: set[str] = set()
    for each in each_of(schema):
        found |= set([each["type"]] if isinstance(each.get("type"), str) else each.get("type", []))
    return found


def test_every_field_of_herokus_is_there_and_of_a_type_that_it_has_there():
    wrong = []
    for name, heroku in HEROKU.items():
        if name in ("source", "filter-apps", "config-var"):
            continue  # Told by their links: they are no records.
        ours = parts(definitions()[name])
        for field, types in heroku["fields"].items():
            known = set(types.split())
            if field not in ours:
                if not field.startswith(tuple(NOT_HERE.get(name, ("none",)))):
                    wrong.append(f"{name}.{field} is missing")
                continue
            more = ours[field][0] - known - ({"integer"} if "number" in known else set())
            if known and more and not (more == {"null"} and field in NULL_HERE.get(name, ())):
                wrong.append(f"{name}.{field} may be {more}, and is {known} at Heroku")
    assert wrong == []


def test_every_call_of_herokus_is_there():
    ours = {re.sub(r"\{[^}]*\}", "{}", link.call) for link in links()}
    taken = {re.sub(r"\{[^}]*\}", "{}", link.call.replace("~", "{}")) for link in links()}
    wanted = {call for heroku in HEROKU.values() for call in heroku["links"]}
    assert sorted(call for call in wanted - ours - taken if not call.startswith(NO_LINK)) == []


async def test_who_has_a_build_cache_sizes_and_stacks_by_herokus_addresses(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        sizes = (await api("GET", "/apps/hello/available-dyno-sizes")).data
        assert sizes == (await api("GET", "/dyno-sizes")).data and sizes
        assert (await api("GET", "/apps/hello/available-stacks")).data == (await api("GET", "/stacks")).data
        assert (await api("DELETE", "/apps/hello/build-cache")).data["purged"] is False


async def test_accounts_by_herokus_addresses(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        api.ledger.apps.create("theirs", api.users["ann"].id)
        for mine in ("~", "you@example.com", "YOU@example.com", api.users["you"].id):
            assert [app["name"] for app in (await api("GET", f"/users/{mine}/apps")).data] == ["hello"]
            assert (await api("PATCH", f"/users/{mine}", {"name": mine})).data["name"] == mine
            assert (await api("GET", f"/users/{mine}/addons")).data == []
        assert (await api("GET", "/account")).data["name"] == api.users["you"].id
        for call in ("GET /users/ann@example.com/apps", "PATCH /users/ann@example.com"):
            assert (await api(*call.split(), {"name": "x"} if "PATCH" in call else None)).status == 404
        api.user = "kate@example.com"  # an admin
        assert [app["name"] for app in (await api("GET", "/users/ann@example.com/apps")).data] == ["theirs"]
        assert (await api("PATCH", "/users/ann@example.com", {"name": "x"})).status == 403
        assert (await api("PATCH", "/account/features/none", {"enabled": True})).status == 404


async def test_a_token_is_revoked_by_its_id(tmp_path):
    async with running_api(tmp_path) as api:
        made = (await api("POST", "/oauth/authorizations", {"description": "x"})).data["access_token"]
        assert (await api.with_token(made["token"], "GET", "/account")).status == 200
        api.user = "ann@example.com"
        assert (await api("DELETE", f"/oauth/tokens/{made['id']}")).status == 404
        api.user = "you@example.com"
        ended = (await api("DELETE", f"/oauth/tokens/{made['id']}")).data
        assert (ended["id"], made["token"] in str(ended)) == (made["id"], False)
        assert (await api.with_token(made["token"], "GET", "/account")).status == 401


async def test_what_was_uploaded_for_any_app_is_for_who_uploaded_it(tmp_path):
    async with running_api(tmp_path) as api:
        hello = api.ledger.apps.create("hello", api.users["you"].id)
        api.ledger.access.add(hello.id, api.users["ann"].id, None)
        made = await api("POST", "/sources")
        place = made.data["source_blob"]["put_url"]
        assert (made.status, made.data["source_blob"]["get_url"]) == (201, place)
        blob = {"source_blob": {"url": place}}
        assert (await api("POST", "/apps/hello/builds", blob)).status == 404  # nothing is there yet
        assert (await api.http.put(place, data=b"a tarball")).status == 200
        api.user = "ann@example.com"
        assert (await api("POST", "/apps/hello/builds", blob)).status == 404
        assert (await api("POST", "/app-setups", blob)).status == 404
        api.user = "you@example.com"
        assert (await api("POST", "/apps/hello/builds", blob)).status == 201
        wrong = {"source_blob": {"url": place, "checksum": f"SHA256:{'0' * 64}"}}
        assert (await api("POST", "/app-setups", wrong)).status == 422
        assert (await api("POST", "/app-setups", blob)).status == 202
