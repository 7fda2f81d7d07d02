"""Slugs and caches: what the commands ask the API and print, against a fake API."""

from __future__ import annotations

from typing import Any

from cli_fakes import hostctl

ID = "01234567-89ab-cdef-0123-456789abcdef"
USAGE = {"exclusive": 1 << 20, "shared": 41 << 20, "total": 42 << 20}


def slug(**extended: Any) -> dict[str, Any]:
    known = {"current": False, "releases": [7], "stored": True, "files": 1200, "stack_version": "20261121.1"}
    return {
        "id": ID,
        "commit": "20a5742" + "0" * 33,
        "size": 42 << 20,
        "created_at": "2015-11-17T17:37:41Z",
        "buildpack_provided_description": "python",
        "checksum": "sha256:abc",
        "process_types": {"web": "python web.py"},
        "stack": {"name": "debian-12"},
        "extended": known | extended,
    }


def test_slugs(hostd, tmp_path):
    hostd.on(
        "GET /apps/hello/slugs",
        (200, [slug(current=True, releases=[9, 8]), slug(releases=[7, 6, 5, 4, 3]), slug(stored=False)]),
    )
    lines = hostctl(tmp_path, "slugs", "-a", "hello").out.splitlines()
    assert lines[0] == "=== hello Slugs"
    assert lines[2].startswith("01234567  20a57420  42.0 MB  v9, v8 (current) ")
    assert "  v7, v6, v5, v4, ...  " in lines[3]
    assert "  v7 (files are missing)  " in lines[4]
    hostd.on("GET /apps/new/slugs", (200, []))
    assert "has no slugs: nothing has been deployed yet." in hostctl(tmp_path, "slugs", "-a", "new").err


def test_slugs_info(hostd, tmp_path):
    hostd.on("GET /apps/hello/slugs/current", (200, slug())).on("GET /apps/hello/slugs/v7", (200, slug(files=None)))
    hostd.on(f"GET /hostd/apps/hello/slugs/{ID}/usage", (200, USAGE), (200, None))
    shown = hostctl(tmp_path, "slugs:info", "-a", "hello").out
    assert "On disk:   42.0 MB, 41.0 MB of it shared\n" in shown
    assert "Size:      42.0 MB in 1200 files\n" in shown
    assert "Stack:     debian-12@20261121.1\n" in shown
    assert "web: python web.py\n" in shown
    shown = hostctl(tmp_path, "slugs:info", "v7", "-a", "hello").out
    assert "not known" in shown and "in 1200 files" not in shown


def archive(*pieces: bytes, whole: bool = True) -> Any:
    def answer(handler: Any, _request: Any) -> None:
        handler.begin_stream()
        for piece in [*pieces, b""] if whole else pieces:
            handler.chunk(piece)
        handler.close_connection = True

    return answer


def test_slugs_export(hostd, tmp_path):
    hostd.on("GET /apps/hello/slugs/v7", (200, slug()))
    hostd.on(f"GET /hostd/apps/hello/slugs/{ID}/tarball", archive(b"tar", b"ball"))
    target = tmp_path / "hello.tar"
    ran = hostctl(tmp_path, "slugs:export", "v7", str(target), "-a", "hello")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == f"Exporting slug 01234567 of hello to {target}... done, 7 B\n"
    assert target.read_bytes() == b"tarball"
    assert hostctl(tmp_path, "slugs:export", "v7", "-a", "hello").out == "tarball"
    again = hostctl(tmp_path, "slugs:export", "v7", str(target), "-a", "hello")
    assert again.status == 1 and "is there already" in again.err
    over_ssh = hostctl(tmp_path, "slugs:export", "v7", "x.tar", "-a", "hello", user="you@example.com")
    assert over_ssh.status == 2 and "> x.tar" in over_ssh.err


def test_an_archive_that_breaks_off_is_not_kept(hostd, tmp_path):
    hostd.on("GET /apps/hello/slugs/v7", (200, slug()))
    hostd.on(f"GET /hostd/apps/hello/slugs/{ID}/tarball", archive(b"tar", whole=False))
    (tmp_path / "new").mkdir()
    ran = hostctl(tmp_path, "slugs:export", "v7", str(tmp_path / "new" / "hello.tar"), "-a", "hello")
    assert ran.status == 1 and "The archive broke off" in ran.err
    assert list((tmp_path / "new").iterdir()) == []


def test_slugs_gc(hostd, tmp_path):
    row = {"id": ID, "app": {"name": None}, "commit": "20a5742" + "0" * 33, "size": 1 << 20, "releases": []}
    hostd.on("GET /hostd/slugs/garbage", (200, [row])).on("DELETE /hostd/slugs/garbage", (200, [row]), (200, []))
    dry = hostctl(tmp_path, "slugs:gc", "--dry-run")
    assert dry.out == "01234567  (destroyed)  20a57420  1.0 MB  (no release)\n"
    assert dry.err == "1 slug would be deleted.\n"
    assert not hostd.asked("DELETE /hostd/slugs/garbage")
    assert hostctl(tmp_path, "slugs:gc").err == "1 slug were deleted.\n".replace("were", "was")
    assert "nothing to delete" in hostctl(tmp_path, "slugs:gc").err


def test_cache(hostd, tmp_path):
    hostd.on("GET /hostd/apps/hello/cache", (200, {"usage": USAGE}), (200, {"usage": None}))
    hostd.on("DELETE /hostd/apps/hello/cache", (200, {"purged": True}), (200, {"purged": False}))
    assert hostctl(tmp_path, "cache", "-a", "hello").out == "42.0 MB, 41.0 MB of it shared\n"
    assert "has no build cache" in hostctl(tmp_path, "cache", "-a", "hello").err
    assert hostctl(tmp_path, "cache:purge", "-a", "hello").err == "Purging the build cache of hello... done\n"
    assert hostctl(tmp_path, "builds:cache:purge", "-a", "hello").err.endswith("... done, there was none\n")
