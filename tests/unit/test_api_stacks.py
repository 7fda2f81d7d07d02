"""Stacks over the API: who may do what, what they look like, and answers that are told as they come."""

from __future__ import annotations

import json

from api_fakes import running_api

from hostd.errors import Conflict, Unavailable


async def test_everybody_sees_the_stacks(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.stacks.add("debian-12", "20261120.1", "d1")
        api.ledger.stacks.add("debian-12", "20261121.1", "d2")
        mine = api.ledger.apps.create("mine", api.users["you"].id)
        theirs = api.ledger.apps.create("theirs", api.users["ann"].id)
        api.stacks.apps = {"20261121.1": [mine, theirs]}
        host, debian = (await api("GET", "/stacks")).data
        assert (host["name"], host["default"], host["version"], host["state"]) == ("host", True, "12.11", "public")
        assert (debian["name"], debian["default"], debian["version"]) == ("debian-12", False, "20261121.1")
        newest, oldest = debian["versions"]
        assert (newest["version"], newest["current"], newest["apps"], newest["app_count"]) == (
            "20261121.1",
            True,
            ["mine"],
            2,
        )
        assert (oldest["version"], oldest["current"], oldest["app_count"]) == ("20261120.1", False, 0)
        for name in ("debian-12", debian["id"]):
            assert (await api("GET", f"/stacks/{name}")).data == debian
        assert (await api("GET", "/hostd/stacks/debian-12/packages")).data == {"openssl": "3.0.16"}
        missing = await api("GET", "/stacks/debian-99")
        assert (missing.status, missing.data["message"]) == (
            404,
            "There is no stack 'debian-99' here. There are: host, debian-12.",
        )


async def test_only_admins_change_stacks(tmp_path):
    async with running_api(tmp_path) as api:
        for method, path, body in (
            ("POST", "/hostd/stacks", {"name": "debian-12"}),
            ("POST", "/hostd/stacks/debian-12/versions", {}),
            ("PATCH", "/hostd/stacks/debian-12", {"version": None}),
            ("DELETE", "/hostd/stacks/debian-12", None),
        ):
            assert (await api(method, path, body)).status == 403, path
        assert api.stacks.calls == []


async def test_a_change_is_told_as_it_comes_and_ends_with_its_outcome(tmp_path):
    async with running_api(tmp_path) as api:
        api.user = "kate@example.com"
        made = await api("POST", "/hostd/stacks", {"name": "debian-12"})
        assert told(made.data) == ("-----> Making it\n", {"stack": "debian-12@20261121.1", "moved": []})
        updated = await api("POST", "/hostd/stacks/debian-12/versions", {"force": True})
        assert told(updated.data)[1]["moved"] == [
            {"app": "hello", "release": 3, "trouble": None},
            {"app": "world", "release": 5, "trouble": "v4 did not come up"},
        ]
        await api("PATCH", "/hostd/stacks/debian-12", {"version": "20261120.1"})
        await api("PATCH", "/hostd/stacks/debian-12", {"version": None})
        assert api.stacks.calls == [
            ("create", "debian-12", "kate@example.com"),
            ("update", "debian-12", True),
            ("switch", "debian-12", "20261120.1"),
            ("switch", "debian-12", None),
        ]
        assert (await api("POST", "/hostd/stacks", {})).status == 422
        assert (await api("PATCH", "/hostd/stacks/debian-12", {"version": 7})).status == 422


async def test_refusals_are_answers_of_their_own_and_later_failures_the_last_line(tmp_path):
    async with running_api(tmp_path) as api:
        api.user = "kate@example.com"
        api.stacks.fails = Conflict("debian-12 is there already.")
        assert (await api("POST", "/hostd/stacks", {"name": "debian-12"})).status == 409
        api.stacks.fails = Unavailable("The mirror did not answer.")
        answer = await api("POST", "/hostd/stacks", {"name": "debian-12"})
        assert answer.status == 200
        assert told(answer.data)[1] == {"id": "unavailable", "message": "The mirror did not answer."}


async def test_the_stack_of_the_next_build_is_chosen(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        refused = await api("PATCH", "/apps/hello", {"build_stack": "debian-12"})
        assert (refused.status, refused.data["message"]) == (
            422,
            "There is no stack 'debian-12' here. There are: host.",
        )
        assert (await api("POST", "/apps", {"name": "other", "stack": "debian-12"})).status == 422
        api.ledger.stacks.add("debian-12", "20261121.1", "d")
        made = (await api("POST", "/apps", {"name": "other", "stack": "debian-12"})).data
        assert (made["stack"]["name"], made["build_stack"]["name"]) == ("debian-12", "debian-12")
        app = api.ledger.apps.get("hello")
        release = api.deployed(app)
        chosen = (await api("PATCH", "/apps/hello", {"build_stack": "debian-12"})).data
        assert (chosen["stack"]["name"], chosen["build_stack"]["name"]) == ("host", "debian-12")
        assert api.log[-1] == "heroku[api]: Set build stack to debian-12 by you@example.com"
        api.ledger.releases.append(
            app.id,
            slug_id=release.slug_id,
            config={},
            description="Deploy",
            user=api.users["you"],
            stack="debian-12@20261121.1",
        )
        assert (await api("GET", "/apps/hello")).data["stack"]["name"] == "debian-12"
        assert (await api("GET", "/apps/hello/releases/current")).data["stack"] == "debian-12@20261121.1"


def told(answer: bytes) -> tuple[str, dict[str, object]]:
    """What was said, and the last line."""
    said, _, last = answer.partition(b"\0")
    return said.decode(), json.loads(last)
