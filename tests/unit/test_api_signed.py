"""Addresses that a plain GET can read, and uploads at an address that nobody guesses."""

import time

import aiohttp
import pytest
from api_fakes import running_api

from hostd.api import signed
from hostd.ledger.build_outputs import BuildOutput

COMMIT = "20a5742" + "0" * 33


async def with_outputs(api):
    app = api.ledger.apps.create("hello", api.users["you"].id)
    build = api.ledger.builds.start(app.id, api.users["you"].id, COMMIT)
    api.ledger.build_outputs.save(build.id, BuildOutput(b"-----> Python app detected\n"))
    release = api.deployed(app)
    api.ledger.releases.add_output(app.id, release.version, "migrating\n")
    return app


async def plain(api, url):
    """As curl does it, at the door by which the address was made."""
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return response.status, await response.text()


async def test_outputs_are_read_without_a_token(tmp_path):
    async with running_api(tmp_path) as api:
        await with_outputs(api)
        token = api.token("you")
        build = (await api.with_token(token, "GET", "/apps/hello/builds/current")).data
        release = (await api.with_token(token, "GET", "/apps/hello/releases/current")).data
        assert build["output_stream_url"].startswith(f"{api.door}/hostd/signed/builds/")
        assert await plain(api, build["output_stream_url"]) == (200, "-----> Python app detected\n")
        assert await plain(api, release["output_stream_url"]) == (200, "migrating\n")
        again = (await api.with_token(token, "GET", "/apps/hello/builds/current")).data
        assert again == build, "an answer stays the same, or no ETag would ever match"
        assert (await api.with_token(token, "GET", "/apps/hello/releases/1")).data["output_stream_url"] is None


async def test_nothing_else_is(tmp_path, monkeypatch):
    async with running_api(tmp_path) as api:
        app = await with_outputs(api)
        url = (await api.with_token(api.token("you"), "GET", "/apps/hello/builds/current")).data["output_stream_url"]
        other = api.ledger.builds.start(app.id, api.users["you"].id, COMMIT)
        address, _, query = url.partition("?")
        for wrong in (
            address,
            f"{address.rpartition('/')[0]}/{other.id}?{query}",
            url.replace("/builds/", "/releases/"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.replace("expires=", "expires=9"),
            url.replace("expires=", "expires=x"),
        ):
            assert (await plain(api, wrong))[0] == 403, wrong
        now = time.time()
        monkeypatch.setattr(signed.time, "time", lambda: now + 2 * signed.STEP + 1)
        status, text = await plain(api, url)
        assert (status, "has expired" in text) == (403, True)


async def test_a_source_is_uploaded_without_a_token_and_built_by_its_owner(tmp_path):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        token = api.token("you")
        blob = (await api.with_token(token, "POST", "/apps/hello/sources")).data["source_blob"]
        async with aiohttp.ClientSession() as http:
            for url, status in ((blob["put_url"], 200), (blob["put_url"][:-12] + "0" * 12, 404)):
                async with http.put(url, data=b"a tarball") as uploaded:
                    assert uploaded.status == status
        body = {"source_blob": {"url": blob["get_url"], "version": "v1"}}
        assert (await api.with_token(token, "POST", "/apps/hello/builds", body)).status == 201
        ((deploy, tree),) = api.deploys.started
        assert (tree, deploy.label) == (b"a tarball", "tarball")


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"Host": "api.example.com", "X-Forwarded-Proto": "https"}, "https://api.example.com/"),
        ({"Host": "localhost:7070"}, "http://localhost:7070/"),
        ({"Host": "a b<x>"}, "http://hostd/"),
        ({"Host": "localhost", "X-Forwarded-Proto": "javascript"}, "http://localhost/"),
    ],
)
async def test_addresses_lead_where_the_client_came_by(tmp_path, headers, base):
    async with running_api(tmp_path) as api:
        await with_outputs(api)
        shown = await api("GET", "/apps/hello/builds/current", headers=headers)
        assert shown.data["output_stream_url"].startswith(f"{base}hostd/signed/builds/")
