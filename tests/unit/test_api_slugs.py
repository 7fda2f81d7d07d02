"""Slugs and caches over the API."""

from __future__ import annotations

import hashlib

import aiohttp
import pytest
from api_fakes import running_api

from hostd.api.slugs import usage_json
from hostd.code_stores import Usage
from hostd.deploys.slug_store import read_usage
from hostd.errors import Busy, Unavailable


async def test_slugs_are_listed_and_shown_as_herokus(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        assert (await api("GET", "/apps/hello/slugs")).data == []
        assert (await api("GET", "/apps/hello/slugs/current")).status == 404
        old, new = api.deployed(app, commit="1" * 40).slug_id, api.deployed(app, commit="2" * 40).slug_id
        await api("PATCH", "/apps/hello/config-vars", {"A": "1"})  # v4
        api.pool.lost = frozenset([old])
        listed = (await api("GET", "/apps/hello/slugs")).data
        assert [slug["id"] for slug in listed] == [new, old]
        assert [slug["extended"]["releases"] for slug in listed] == [[4, 3], [2]]
        assert [slug["extended"]["current"] for slug in listed] == [True, False]
        assert [slug["extended"]["stored"] for slug in listed] == [True, False]
        for reference in (new, new[:8], "v3", "v4", "4", "current"):
            assert (await api("GET", f"/apps/hello/slugs/{reference}")).data == listed[0]
        slug = api.ledger.slugs.get(new)
        assert listed[0] | {"extended": None, "created_at": None, "updated_at": None} == {
            "blob": {"method": "get", "url": f"http://hostd/hostd/apps/{app.id}/slugs/{new}/tarball"},
            "buildpack_provided_description": slug.buildpack,
            "checksum": slug.digest,
            "commit": "2" * 40,
            "commit_description": None,
            "created_at": None,
            "deleted_at": None,
            "extended": None,
            "id": new,
            "process_types": slug.process_types,
            "size": slug.size_bytes,
            "stack": (await api("GET", "/apps/hello")).data["stack"],
            "updated_at": None,
        }


async def test_slugs_that_are_not_there_or_not_yours(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        other = api.ledger.apps.create("other", api.users["ann"].id)
        api.deployed(app)
        theirs = api.deployed(other).slug_id
        for reference in (theirs, "v1", "v9", "0", "abc", "ffffffff", "%25", "v" * 90):
            answer = await api("GET", f"/apps/hello/slugs/{reference}")
            assert answer.status == 404, reference
        for target in ("/apps/other/slugs", f"/apps/other/slugs/{theirs}", "/hostd/apps/other/cache"):
            assert (await api("GET", target)).status == 404
        for rest in ("usage", "tarball"):
            assert (await api("GET", f"/hostd/apps/other/slugs/{theirs}/{rest}")).status == 404
            assert (await api("GET", f"/hostd/apps/hello/slugs/{theirs}/{rest}")).status == 404


async def test_usage_and_cache(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        taken = (await api("GET", "/hostd/apps/hello/slugs/current/usage")).data
        assert taken == {"exclusive": 1 << 29, "shared": 1 << 30, "total": 3 << 29}
        assert (await api("GET", "/hostd/apps/hello/cache")).data["usage"] is None
        api.slug_store.caches.add(app.id)
        assert (await api("GET", "/hostd/apps/hello/cache")).data["usage"]["total"] == 1 << 20
        assert (await api("DELETE", "/hostd/apps/hello/cache")).data["purged"] is True
        assert api.log[-1] == "heroku[api]: Purge the build cache by you@example.com"
        assert (await api("DELETE", "/hostd/apps/hello/cache")).data["purged"] is False
        assert sum("Purge" in line for line in api.log) == 1


async def test_an_export_is_whole_or_breaks_off(tmp_path):
    async with running_api(tmp_path) as api:
        api.deployed(api.ledger.apps.create("hello", api.users["you"].id))
        url = "http://hostd/hostd/apps/hello/slugs/current/tarball"
        headers = {"Hostd-User": "you@example.com"}
        async with api.http.get(url, headers=headers) as response:
            assert (response.status, response.content_type) == (200, "application/x-tar")
            assert await response.read() == b"tarball"
        api.slug_store.pieces = [Busy("4 slugs are being exported already.")]
        assert (await api("GET", "/hostd/apps/hello/slugs/current/tarball")).status == 409
        api.slug_store.pieces = [b"ta", Unavailable("The slug could not be packed")]
        with pytest.raises(aiohttp.ClientPayloadError):
            async with api.http.get(url, headers=headers) as response:
                await response.read()


async def test_only_admins_clean_up(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        slug = api.ledger.slugs.get(str(api.deployed(app, commit="1" * 40).slug_id))
        api.slug_store.garbage = [slug]
        for method in ("GET", "DELETE"):
            assert (await api(method, "/hostd/slugs/garbage")).status == 403
        api.user = "kate@example.com"
        would = (await api("GET", "/hostd/slugs/garbage")).data
        assert [(row["id"], row["app"]["name"], row["releases"]) for row in would] == [(slug.id, "hello", [2])]
        assert (await api("DELETE", "/hostd/slugs/garbage")).data == would
        assert (await api("DELETE", "/hostd/slugs/garbage")).data == []


def test_what_btrfs_says_of_a_tree():
    text = "     Total   Exclusive  Set shared  Filename\n   3000000     1000000     2000000  /pool/slugs/a b\n"
    assert read_usage(text) == Usage(total_bytes=3_000_000, exclusive_bytes=1_000_000)
    for text in ("", "\n", "ERROR: cannot\n", "     Total   Exclusive  Set shared  Filename\n"):
        assert read_usage(text) is None
    assert usage_json(None) is None


COMMANDS = {"web": "./server", "worker": "./work"}


async def test_a_slug_is_announced_shown_uploaded_and_released(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        digest = hashlib.sha256(b"a tgz").hexdigest()
        body = {"process_types": COMMANDS, "checksum": f"SHA256:{digest}", "commit": "abc", "commit_description": "d"}
        made = await api("POST", "/apps/hello/slugs", body)
        slug = made.data
        assert (made.status, slug["process_types"], slug["commit_description"]) == (201, COMMANDS, "d")
        assert (await api("GET", f"/apps/hello/slugs/{slug['id']}")).data == slug
        assert (await api("GET", "/apps/hello/slugs")).data == []
        early = await api("POST", "/apps/hello/releases", {"slug": slug["id"]})
        assert (early.status, "PUT its .tgz" in early.data["message"]) == (422, True)
        for content, status in ((b"another", 422), (b"a tgz", 201)):
            async with api.http.put(slug["blob"]["url"], data=content) as uploaded:
                assert uploaded.status == 200
            answer = await api("POST", "/apps/hello/releases", {"slug": slug["id"]})
            assert answer.status == status
        assert (answer.data["slug"]["id"], answer.data["description"]) == (slug["id"], "Deploy abc")
        assert api.ledger.slugs.get(slug["id"]).app_id == app.id


async def test_a_slug_of_another_app_is_not_there(tmp_path):
    async with running_api(tmp_path) as api:
        for name in ("hello", "other"):
            api.ledger.apps.create(name, api.users["you"].id)
        slug = (await api("POST", "/apps/hello/slugs", {"process_types": COMMANDS})).data
        assert (await api("POST", "/apps/other/releases", {"slug": slug["id"]})).status == 404
        assert (await api("GET", f"/apps/other/slugs/{slug['id']}")).status == 404


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "process_types"),
        ({"process_types": {"we b": "./x"}}, "process type"),
        ({"process_types": {"web": "./x\n./y"}}, "command of web"),
        ({"process_types": {"web": " "}}, "command of web"),
        ({"process_types": COMMANDS, "checksum": "SHA256:12"}, "64 hexadecimal digits"),
        ({"process_types": COMMANDS, "stack": "none"}, "no stack"),
    ],
)
async def test_slugs_that_cannot_be(tmp_path, body, named):
    async with running_api(tmp_path) as api:
        api.ledger.apps.create("hello", api.users["you"].id)
        answer = await api("POST", "/apps/hello/slugs", body)
        assert answer.status in {400, 422}
        assert named in answer.data["message"]
