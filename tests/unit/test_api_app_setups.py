"""Setups by the API: what is asked for, what is refused at the door, who sees how it goes."""

from __future__ import annotations

from typing import Any

import pytest
from api_fakes import running_api

from buildpacks.source import GitSource, TarSource
from hostd.api.app_setups import MOST
from hostd.ledger.access import Right
from hostd.ledger.app_setups import KEPT

URL = "https://kate:pw@example.com/app.tgz?token=t"


def asked(**more: Any) -> dict[str, Any]:
    return {"source_blob": {"url": URL}, **more}


async def test_a_setup_is_begun_with_an_app_and_tells_how_it_goes(tmp_path):
    async with running_api(tmp_path) as api:
        checksum = f"SHA256:{'a' * 64}"
        made = await api("POST", "/app-setups", {
            "source_blob": {"url": URL, "checksum": checksum, "version": "v1.2"},
            "app": {"name": "hello", "stack": "host", "organization": None, "personal": True},
            "overrides": {"env": {"A": "1"}, "buildpacks": [{"url": "https://github.com/heroku/heroku-buildpack-go"}]},
        })  # fmt: skip
        assert made.status == 202 and made.data["status"] == "pending"
        assert made.data["app"] == {"id": api.ledger.apps.get("hello").id, "name": "hello"}
        assert (made.data["build"], made.data["postdeploy"], made.data["manifest_errors"]) == (None, None, [])
        ((setup, wanted),) = api.setups.begun
        assert wanted.source == TarSource(strip=True) and wanted.url == URL and wanted.checksum == checksum
        assert wanted.label == "tarball https://***@example.com/app.tgz?***" and "pw" not in repr(wanted)
        assert (wanted.env, wanted.version) == ({"A": "1"}, "v1.2")
        api.ledger.builds.start(setup.app_id, setup.user_id, "", id=setup.build_id)
        api.ledger.app_setups.postdeploy(setup, "seeded", 0)
        api.ledger.app_setups.end(setup, success_url="https://hello.localhost/welcome", output=b"all that was said")
        found = (await api("GET", f"/app-setups/{setup.id}")).data
        assert (found["status"], found["failure_message"]) == ("succeeded", None)
        assert found["build"]["status"] == "pending" and "/hostd/signed/builds/" in found["build"]["output_stream_url"]
        assert found["postdeploy"] == {"exit_code": 0, "output": "seeded"}
        assert found["resolved_success_url"] == "https://hello.localhost/welcome"
        assert (await api("GET", f"/hostd/app-setups/{setup.id}/output")).data == b"all that was said"


async def test_a_repository_is_cloned_by_the_build_and_an_app_gets_a_name(tmp_path):
    async with running_api(tmp_path) as api:
        made = await api("POST", "/app-setups", {"source_blob": {"url": "https://x.org/a.git", "version": "main"}})
        assert made.data["app"]["name"]
        assert api.setups.begun[0][1].source == GitSource("https://x.org/a.git", "main")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "source_blob"),
        ({"source_blob": {}}, 422, "url"),
        ({"source_blob": {"url": "http://example.com/a.tgz"}}, 422, "https://"),
        ({"source_blob": {"url": "https://"}}, 422, "not an address"),
        ({"source_blob": {"url": "https://x.org/a.git", "checksum": "x"}}, 422, "no checksum"),
        (asked(app={"name": "Bad Name"}), 422, "cannot be an app's name"),
        (asked(app={"name": "taken"}), 422, "taken"),
        (asked(app={"stack": "none"}), 422, "There is no stack"),
        (asked(app={"region": "mars"}), 404, "no region"),
        (asked(app={"organization": "acme"}), 404, "no teams"),
        (asked(app={"space": {"name": "x"}}), 404, "space"),
        (asked(overrides={"env": {"A B": "1"}}), 422, "config var's name"),
        (asked(overrides={"env": {"PORT": "1"}}), 422, "the platform sets it"),
        (asked(overrides={"env": {"A": 1}}), 422, "overrides"),
        (asked(overrides={"buildpacks": [{"url": "heroku/none"}]}), 422, "There is no buildpack"),
    ],
)
async def test_what_cannot_be_set_up_is_refused_and_nothing_is_made(tmp_path, body, status, said):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("taken", api.users["you"].id)
        answer = await api("POST", "/app-setups", body)
        assert (answer.status, said in answer.data["message"]) == (status, True), answer.data
        assert [app.name for app in api.ledger.apps.list()] == ["taken"] and not api.setups.begun


async def test_one_user_does_not_take_all_the_room(tmp_path):
    async with running_api(tmp_path) as api:
        for _ in range(MOST):
            assert (await api("POST", "/app-setups", asked())).status == 202
        refused = await api("POST", "/app-setups", asked(app={"name": "hello"}))
        assert (refused.status, refused.data["id"]) == (409, "busy")
        api.user = "ann@example.com"
        assert (await api("POST", "/app-setups", asked(app={"name": "hello"}))).status == 202


async def test_a_setup_is_seen_by_who_began_it_and_who_may_see_the_app(tmp_path):
    async with running_api(tmp_path) as api:
        id = (await api("POST", "/app-setups", asked(app={"name": "hello"}))).data["id"]
        api.user = "ann@example.com"
        for path in (f"/app-setups/{id}", f"/hostd/app-setups/{id}/output"):
            missing = await api("GET", path)
            assert (missing.status, missing.data["resource"]) == (404, "app_setup")
        app = api.ledger.apps.get("hello")
        api.ledger.access.add(app.id, api.users["ann"].id, {Right.VIEW})
        assert (await api("GET", f"/app-setups/{id}")).status == 200
        api.ledger.apps.destroy(app.id)
        assert (await api("GET", f"/app-setups/{id}")).status == 404
        api.user = "you@example.com"
        assert (await api("GET", f"/app-setups/{id}")).data["app"]["name"] == "hello"


async def test_a_failure_says_what_is_wrong_once_and_old_setups_give_way(tmp_path):
    async with running_api(tmp_path) as api:
        you, setups = api.users["you"], api.ledger.app_setups
        app = api.ledger.apps.create("hello", you.id)
        first, pending = setups.add(app, you), setups.add(app, you)
        setups.end(first, failure="app.json: env: A needs a value", problems=["env: A needs a value"])
        setups.end(first)
        found = (await api("GET", f"/app-setups/{first.id}")).data
        assert (found["status"], found["manifest_errors"]) == ("failed", ["env: A needs a value"])
        for _ in range(KEPT):
            setups.end(setups.add(app, you))
        assert (await api("GET", f"/app-setups/{first.id}")).status == 404
        assert [setup.id for setup in setups.pending()] == [pending.id]
