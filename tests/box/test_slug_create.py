"""Slugs that were built elsewhere: announced, uploaded, released, over the API alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from http.client import HTTPException

import pytest

from hostd.faults import FaultPoint
from tests.support.api import Door, door
from tests.support.estate import settled
from tests.support.tarballs import tar_of

COMMANDS = {"web": "python3 -m http.server $PORT"}


def slug_of(page: str) -> bytes:
    return tar_of({"./app/index.html": page, "./app/.hidden/x": "y", "./other": "not of the slug"}, "w:gz")


def test_a_slug_from_scratch_runs_and_so_does_the_next(platform, app, wait_until):
    ask, anybody = door(platform), Door(platform.api_port)
    ids = []
    for page in ("from scratch\n", "from scratch again\n"):
        content = slug_of(page)
        checksum = f"SHA256:{hashlib.sha256(content).hexdigest()}"
        announced = ask("POST", f"/apps/{app}/slugs", {"process_types": COMMANDS, "checksum": checksum, "commit": "v9"})
        slug = announced.data
        assert (announced.status, slug["blob"]["method"], slug["size"]) == (201, "put", None)
        assert ask("GET", f"/apps/{app}/slugs/{slug['id']}").data == slug
        assert slug["id"] not in [kept["id"] for kept in ask("GET", f"/apps/{app}/slugs").data]
        assert anybody("PUT", slug["blob"]["url"], content).status == 200
        made = ask("POST", f"/apps/{app}/releases", {"slug": slug["id"]})
        assert (made.status, made.data["description"]) == (201, "Deploy v9"), made.data
        wait_until(lambda page=page: platform.http_get(app).text == page)
        ids.append(slug["id"])
    assert [slug["id"] for slug in ask("GET", f"/apps/{app}/slugs").data] == ids[::-1]
    kept = ask("GET", f"/apps/{app}/slugs/{ids[0]}").data
    assert (kept["extended"]["stored"], kept["extended"]["files"], kept["process_types"]) == (True, 2, COMMANDS)
    # It is a slug like any other: it can be released again.
    assert ask("POST", f"/apps/{app}/releases", {"slug": ids[0]}).status == 201
    wait_until(lambda: platform.http_get(app).text == "from scratch\n")


def test_what_cannot_be_a_slug_is_refused_and_may_be_uploaded_anew(platform, app, wait_until):
    ask, anybody = door(platform), Door(platform.api_port)
    good = slug_of("at last\n")
    body = {"process_types": COMMANDS, "checksum": f"sha256:{hashlib.sha256(good).hexdigest()}"}
    slug = ask("POST", f"/apps/{app}/slugs", body).data
    version = ask("GET", f"/apps/{app}/releases/current").data["version"]

    def refused(content: bytes | None, slug_id: str = slug["id"], url: str = slug["blob"]["url"]) -> str:
        if content is not None:
            assert anybody("PUT", url, content).status == 200
        answer = ask("POST", f"/apps/{app}/releases", {"slug": slug_id})
        assert (answer.status, answer.data["id"]) == (422, "invalid_params"), answer.data
        return answer.data["message"]

    assert "Nothing was uploaded" in refused(None)
    assert "has the checksum SHA256:" in refused(slug_of("another\n"))
    free = ask("POST", f"/apps/{app}/slugs", {"process_types": COMMANDS}).data
    place = (free["id"], free["blob"]["url"])
    assert "is not a .tgz" in refused(b"no archive", *place)
    assert "is not a .tgz" in refused(tar_of({"app/index.html": "x"}), *place)
    assert "is not a whole .tgz" in refused(good[: len(good) // 2], *place)
    assert "has no folder ./app" in refused(tar_of({"index.html": "x"}, "w:gz"), *place)
    assert ask("GET", f"/apps/{app}/releases/current").data["version"] == version
    assert ask("GET", f"/apps/{app}/slugs").data == []

    assert anybody("PUT", slug["blob"]["url"], good).status == 200
    assert ask("POST", f"/apps/{app}/releases", {"slug": slug["id"]}).status == 201
    wait_until(lambda: platform.http_get(app).text == "at last\n")


def test_a_failing_release_command_leaves_no_slug(platform, app):
    ask, anybody = door(platform), Door(platform.api_port)
    slug = ask("POST", f"/apps/{app}/slugs", {"process_types": {**COMMANDS, "release": "exit 3"}}).data
    assert anybody("PUT", slug["blob"]["url"], slug_of("never\n")).status == 200
    failed = ask("POST", f"/apps/{app}/releases", {"slug": slug["id"]})
    assert (failed.status, "exit status 3" in failed.data["message"]) == (409, True)
    assert ask("GET", f"/apps/{app}/slugs").data == []


@pytest.mark.parametrize("point", [FaultPoint.COMPILED, FaultPoint.SNAPSHOT_MADE], ids=lambda point: point.value)
def test_a_kill_before_the_release_leaves_nothing(platform, app, point):
    ask, anybody = door(platform), Door(platform.api_port)
    before = ask("GET", f"/apps/{app}/releases/current").data["id"]
    slug = ask("POST", f"/apps/{app}/slugs", {"process_types": {**COMMANDS, "release": "true"}}).data
    assert anybody("PUT", slug["blob"]["url"], slug_of("never\n")).status == 200
    orders = platform.machine.run_directory / "faults"
    orders.mkdir(exist_ok=True)
    (orders / point.value).touch()
    try:
        with pytest.raises((OSError, HTTPException)):
            ask("POST", f"/apps/{app}/releases", {"slug": slug["id"]})
    finally:
        (orders / point.value).unlink(missing_ok=True)
        orders.rmdir()
    # The survey: no build, slug, unit or temporary file that the ledger does not name.
    settled(platform)
    assert ask("GET", f"/apps/{app}/releases/current").data["id"] == before
    assert ask("GET", f"/apps/{app}/slugs").data == []
    assert ask("POST", f"/apps/{app}/releases", {"slug": slug["id"]}).status == 404


def special(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, to: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = kind, mode, to
    entry.devmajor, entry.devminor = 1, 3
    return entry


def archive(*entries: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for entry in entries:
            tar.addfile(entry)
    return gzip.compress(packed.getvalue())


def test_hostile_archives_reach_nothing(platform, app):
    ask, anybody = door(platform), Door(platform.api_port)
    folder = special("app", tarfile.DIRTYPE, 0o755)
    slug = ask("POST", f"/apps/{app}/slugs", {"process_types": COMMANDS}).data
    refused = {
        "a device": [folder, special("app/null", tarfile.CHRTYPE)],
        "a link for app": [special("app", tarfile.SYMTYPE, to="/etc")],
        "through a link": [folder, special("app/out", tarfile.SYMTYPE, to="/etc"), special("app/out/owned")],
        "a way up": [folder, special("app/../../etc/owned")],
        "a shut folder": [special("app", tarfile.DIRTYPE, 0), special("app/x")],
    }
    for what, entries in refused.items():
        assert anybody("PUT", slug["blob"]["url"], archive(*entries)).status == 200
        answer = ask("POST", f"/apps/{app}/releases", {"slug": slug["id"]})
        assert (answer.status, answer.data["id"]) == (422, "invalid_params"), (what, answer.data)
    good = archive(folder, special("app/root", mode=0o6755))
    assert anybody("PUT", slug["blob"]["url"], good).status == 200
    assert ask("POST", f"/apps/{app}/releases", {"slug": slug["id"]}).status == 201
    mode = platform.run(["stat", "--format=%a", f"/var/lib/hostd/pool/slugs/{slug['id']}/root"]).stdout.strip()
    assert mode == "755"
