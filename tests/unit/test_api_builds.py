"""Builds, sources and buildpack installations over the API."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest
from api_fakes import running_api

from buildpacks.source import GitSource, TarSource, UrlSource
from hostd.deploys.deploy import PushOutcome
from hostd.ledger import BuildOutput
from tests.support.waiting import wait_until

COMMIT = "20a5742" + "0" * 33


async def test_builds_are_listed_and_shown(tmp_path):
    async with running_api(tmp_path) as api:
        kate, app = api.users["you"], api.ledger.apps.create("hello", api.users["you"].id)
        release = api.deployed(app)
        first = api.ledger.builds.start(app.id, kate.id, COMMIT)
        api.ledger.builds.learn(first.id, stack="host@12.11", buildpacks=[{"name": "heroku/python", "commit": ""}])
        api.ledger.builds.finish(first.id, "succeeded", slug_id=release.slug_id, release_version=release.version)
        second = api.ledger.builds.start(app.id, kate.id, "", source="tarball")
        api.ledger.builds.learn(second.id, buildpacks=[{"name": "heroku/python"}], report="python_version: 3.11.2")
        api.ledger.builds.finish(second.id, "failed", reason="No buildpack fits this app.")
        assert [build["id"] for build in (await api("GET", "/apps/hello/builds")).data] == [first.id, second.id]
        newest = await api("GET", "/apps/hello/builds", headers={"Range": "started_at ..; order=desc, max=1"})
        assert [build["id"] for build in newest.data] == [second.id]
        shown = (await api("GET", f"/apps/hello/builds/{first.id[:13]}")).data
        assert shown["status"] == "succeeded"
        assert shown["release"] == {"id": release.id}
        assert shown["slug"] == {"id": release.slug_id}
        assert shown["stack"] == "host@12.11"
        assert shown["buildpacks"] == [{"name": "heroku/python", "url": "heroku/python"}]
        assert shown["source_blob"]["version"] == COMMIT
        failed = (await api("GET", "/apps/hello/builds/current")).data
        assert failed["extended"]["reason"] == "No buildpack fits this app."
        assert failed["extended"]["source"] == "tarball"
        assert failed["extended"]["report"] == "python_version: 3.11.2"
        assert failed["buildpacks"] == shown["buildpacks"]
        assert shown["extended"]["report"] is None
        assert failed["release"] is None
        assert (await api("GET", "/apps/hello/builds/ffff")).status == 404
        api.user = "ann@example.com"
        assert (await api("GET", f"/apps/hello/builds/{first.id}")).status == 404


async def test_builds_go_on_naming_who_is_gone(tmp_path):
    async with running_api(tmp_path) as api:
        app, ann = api.ledger.apps.create("hello", api.users["you"].id), api.users["ann"]
        api.ledger.builds.start(app.id, ann.id, COMMIT)
        api.ledger.users.remove(ann.id)
        assert (await api("GET", "/apps/hello/builds")).data[0]["user"]["email"] == "ann@example.com"


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        blob = (await api("POST", "/apps/hello/sources")).data["source_blob"]
        _reader, writer = await asyncio.open_unix_connection(str(api.socket))
        target = blob["put_url"].removeprefix("http://hostd")
        head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nHostd-User: {api.user}\r\nContent-Length: 1000\r\n\r\n"
        writer.write(head.encode() + b"half a tarball")
        uploads = tmp_path / "uploads"
        await asyncio.to_thread(wait_until, lambda: uploads.exists() and any(uploads.iterdir()))
        writer.close()
        await asyncio.to_thread(wait_until, lambda: not any(uploads.iterdir()))
        early = await api("POST", "/apps/hello/builds", {"source_blob": {"url": blob["get_url"]}})
        assert early.status == 404


async def test_the_output_of_a_build_is_text(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        build = api.ledger.builds.start(app.id, api.users["you"].id, COMMIT)
        api.ledger.build_outputs.save(build.id, BuildOutput(b"-----> Python app detected\n"))
        address = (await api("GET", "/apps/hello/builds/current")).data["output_stream_url"]
        output = await api("GET", address.removeprefix("http://hostd"))
        assert output.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert output.data == b"-----> Python app detected\n"


async def test_a_build_of_an_upload(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        blob = (await api("POST", "/apps/hello/sources")).data["source_blob"]
        early = await api("POST", "/apps/hello/builds", {"source_blob": {"url": blob["get_url"]}})
        assert early.status == 404
        async with api.http.put(blob["put_url"], data=b"a tarball") as uploaded:
            assert uploaded.status == 200
        body = {"source_blob": {"url": blob["get_url"], "version": "v1"}, "buildpacks": [{"url": "python"}]}
        made = await api("POST", "/apps/hello/builds", {**body, "timeout": 60})
        assert (made.status, made.data["status"]) == (201, "pending")
        ((deploy, tree),) = api.deploys.started
        assert tree == b"a tarball"
        assert (deploy.source, deploy.label, deploy.commit) == (TarSource(strip=True), "tarball", "v1")
        assert (deploy.buildpacks, deploy.timeout) == (("heroku/python",), 60)
        wrong = {"source_blob": {"url": blob["get_url"], "checksum": "SHA256:00"}}
        assert (await api("POST", "/apps/hello/builds", wrong)).status == 422


async def test_a_build_of_a_tarball_elsewhere_is_fetched_by_the_build(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        url = "https://kate:s3cret@example.com/app.tgz"
        made = await api("POST", "/apps/hello/builds", {"source_blob": {"url": url}})
        assert made.status == 201
        assert "s3cret" not in json.dumps(made.data)
        assert made.data["source_blob"]["url"] == "https://***@example.com/app.tgz"
        ((deploy, tree),) = api.deploys.started
        assert (deploy.source, tree) == (UrlSource(url), None)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {}),
        (422, {"source_blob": "https://example.com/app.tgz"}),
        (422, {"source_blob": {}}),
        (422, {"source_blob": {"url": "file:///etc/passwd"}}),
        (422, {"source_blob": {"url": "https://example.com/app.tgz", "checksum": "SHA256:00"}}),
        (422, {"source_blob": {"url": "https://example.com/app.tgz", "version": "a\nb"}}),
        (404, {"source_blob": {"url": "http://hostd/hostd/sources/00000000-0000-0000-0000-000000000000"}}),
        (422, {"source_blob": {"url": "https://example.com/app.tgz"}, "buildpacks": ["python"]}),
        (422, {"source_blob": {"url": "https://example.com/app.tgz"}, "buildpacks": [{"url": "pyton"}]}),
        (422, {"source_blob": {"url": "https://example.com/app.tgz"}, "timeout": 0}),
    ],
)
async def test_builds_that_are_refused_at_the_door(tmp_path, status, body):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("POST", "/apps/hello/builds", body)).status == status
        assert api.deploys.started == []


async def test_a_busy_app_builds_nothing_else(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        api.deploys.busy = "kate@example.com is deploying 20a5742 to hello"
        made = await api("POST", "/apps/hello/builds", {"source_blob": {"url": "https://example.com/app.tgz"}})
        assert (made.status, made.data["id"]) == (409, "busy")


async def test_cancelling_a_build(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        build = api.ledger.builds.start(app.id, api.users["you"].id, COMMIT)
        assert (await api("DELETE", f"/apps/hello/builds/{build.id}")).status == 202
        shown = (await api("GET", f"/apps/hello/builds/{build.id}")).data
        assert shown["extended"]["cancelled"]
        again = await api("DELETE", f"/apps/hello/builds/{build.id}")
        assert (again.status, again.data["id"]) == (409, "conflict")
        assert "ended already" in again.data["message"]


async def test_a_deploy_of_a_stream_and_of_a_repository(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        seen = []

        async def pusher(deploy, tree, output):
            await output(b"-----> Building\n")
            seen.append((deploy, tree and b"".join([piece async for piece in tree])))
            return PushOutcome("released", 2)

        api.deploys.pusher = pusher
        number, headers = str(uuid.uuid4()), {"Hostd-User": api.user}
        address = f"http://hostd/hostd/deploys?app=hello&build={number}&version=v1&timeout=60&strip=1"
        async with api.http.post(address, data=b"a tarball", headers=headers) as response:
            said, _, last = (await response.read()).partition(b"\0")
        assert (said, json.loads(last)["version"]) == (b"-----> Building\n", 2)
        ((deploy, tree),) = seen
        assert (deploy.id, deploy.commit, deploy.timeout, tree) == (number, "v1", 60, b"a tarball")
        assert (deploy.source, deploy.label) == (TarSource(strip=True), "tarball")
        git = {"url": "https://example.com/app.git", "ref": "main"}
        address = f"/hostd/deploys?app=hello&build={number}"
        assert (await api("POST", address, {"git": git})).status == 200
        deploy, tree = seen[1]
        assert (deploy.source, deploy.what, tree) == (GitSource(**git), f"git:sync {git['url']} main", None)
        for status, changes in (
            (422, {"git": "https://example.com/app.git"}),
            (422, {"git": {"url": "/srv/app.git"}}),
            (422, {}),
        ):
            assert (await api("POST", address, changes)).status == status
        for status, query in (
            (400, f"app=hello&build={number[:8]}"),
            (404, f"app=nope&build={number}"),
            (422, f"app=hello&build={number}&timeout=never"),
            (422, f"app=hello&build={number}&version=a%0Ab"),
        ):
            async with api.http.post(f"http://hostd/hostd/deploys?{query}", data=b"x", headers=headers) as response:
                assert response.status == status


async def test_the_time_an_apps_builds_may_take(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        address = "/hostd/apps/hello/build-settings"
        assert (await api("GET", address)).data == {"timeout": None, "default": 900}
        assert (await api("PATCH", address, {"timeout": 1800})).data["timeout"] == 1800
        assert "Set build timeout to 1800 seconds by " in api.log[-1]
        for status, body in ((422, {"timeout": 0}), (422, {"timeout": 86401}), (422, {"timeout": "1"}), (422, {})):
            assert (await api("PATCH", address, body)).status == status
        assert (await api("PATCH", address, {"timeout": None})).data["timeout"] is None


async def test_buildpacks_of_an_app(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        address = "/apps/hello/buildpack-installations"
        assert (await api("GET", address)).data == []
        updates = [{"buildpack": "python"}, {"buildpack": "https://kate:s3cret@example.com/pack.git#v1"}]
        chosen = await api("PUT", address, {"updates": updates})
        assert [(entry["ordinal"], entry["buildpack"]["url"]) for entry in chosen.data] == [
            (0, "heroku/python"),
            (1, "https://kate:s3cret@example.com/pack.git#v1"),
        ]
        assert "s3cret" not in "".join(api.log)
        assert "Set buildpacks to heroku/python, https://***@example.com/pack.git#v1 by you" in "".join(api.log)
        for status, body in (
            (422, {}),
            (422, {"updates": ["python"]}),
            (422, {"updates": [{"buildpack": "python"}, {}]}),
            (422, {"updates": [{"buildpack": "pyton"}]}),
            (422, {"updates": [{"buildpack": "python"}, {"buildpack": "heroku/python"}]}),
        ):
            assert (await api("PUT", address, body)).status == status
        assert len((await api("GET", address)).data) == 2
        assert (await api("PUT", address, {"updates": []})).data == []
        api.user = "ann@example.com"
        assert (await api("GET", address)).status == 404
        assert (await api("PUT", address, {"updates": []})).status == 404
