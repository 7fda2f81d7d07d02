"""Builds for real: systemd, btrfs, the bundled buildpacks, PyPI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slugs.build_unit import BuildLimits
from slugs.errors import BuildFailed, BuildTimeout, NoBuildpack, PoolFull, SlugTooLarge
from tests.box.slugs_kit import Bench, bench_of_its_own, buildpack, folder, stream, tree

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with bench_of_its_own() as bench:
        yield bench


async def test_python_app_is_built_and_built_again_from_the_cache(bench: Bench) -> None:
    source = folder(EXAMPLES / "guestbook-flask")
    first = await bench.build(stream(source))
    assert "-----> Python app detected\n" in bench.text
    assert "       Procfile declares types -> web, worker\n" in bench.text
    assert "flask==" in bench.text
    assert first.process_types["worker"] == "python worker.py"
    assert (first.buildpack, first.language) == ("heroku/python", "Python")
    assert (bench.pool.slug(first.slug_id) / ".heroku/python/bin/gunicorn").exists()

    second = await bench.build(stream(source), previous=first.slug_id)
    assert "Reusing the dependencies" in bench.text
    assert second.digest == first.digest
    assert second.size_bytes == first.size_bytes
    assert second.shared_bytes > 0.9 * second.size_bytes
    assert bench.pool.builds() == []


async def test_slug_is_read_only_and_a_dyno_gets_a_writable_copy(bench: Bench) -> None:
    slug = await bench.build(stream(tree({"Procfile": "web: sleep 1", "data": "x" * 9000})))
    with pytest.raises(OSError, match="Read-only"):
        (bench.pool.slug(slug.slug_id) / "data").write_text("changed")
    copy = bench.pool.snapshot(slug.slug_id, "hostd-bench-web.1-v2")
    (copy / "data").write_text("changed")
    assert copy.stat().st_uid != 0
    assert (bench.pool.snapshot(slug.slug_id, "hostd-bench-web.1-v2") / "data").read_text() == "x" * 9000


async def test_contract_that_buildpacks_rely_on(bench: Bench, tmp_path: Path) -> None:
    script = """
        echo "args $*"; echo "cwd $PWD"; echo "home $HOME $(id -un) ~app=$(echo ~app)"
        echo "secret ${SECRET-unset} $(cat "$3/SECRET")"
        echo "env $STACK $SOURCE_VERSION $REQUEST_ID $DYNO $CACHE_DIR"
        touch here "$3/ADDED" "$2/kept" && echo writable
        [[ -e /etc/apt/sources.list ]] && grep -qsE '^(deb|URIs:) ' /etc/apt/sources.list{,.d/*} && echo sources
        [[ -s /usr/share/keyrings/debian-archive-keyring.gpg ]] && echo keyring
        [[ -s $SSL_CERT_FILE ]] && echo certificates
        echo "on stderr" >&2; cat; umask
    """
    options = buildpack(tmp_path, script, release='echo "default_process_types:"; echo "  web: ./serve $PORT"')
    slug = await bench.build(stream(tree({"app.rb": "1"})), config={"SECRET": "s3cr=t\nline"}, **options)
    assert "args /app /cache /env\n" in bench.text
    assert "home /tmp/home app ~app=/app\n" in bench.text
    assert "secret unset s3cr=t\nline\n" in bench.text
    assert f"env debian-12 20a5742{'0' * 33} {bench.build_id} build.1 /cache\n" in bench.text
    for word in ("writable", "sources", "keyring", "certificates", "on stderr", "0022", "-----> Test app detected"):
        assert f"{word}\n" in bench.text
    assert "       Default types for buildpack -> web\n" in bench.text
    assert slug.process_types == {"web": "./serve"}
    assert (bench.pool.cache(bench.app_id, 0) / "kept").exists()


async def test_failed_build_says_why_and_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    options = buildpack(tmp_path, 'touch "$2/broken"; echo "no such package" >&2; exit 3')
    with pytest.raises(BuildFailed, match=r"Failed to compile the Test app \(exit status 3\)"):
        await bench.build(stream(tree({"Procfile": "web: x"})), **options)
    assert "no such package\n" in bench.text
    assert bench.leftovers() == []
    assert list(bench.pool.cache(bench.app_id, 0).iterdir()) == []


async def test_no_buildpack(bench: Bench) -> None:
    with pytest.raises(NoBuildpack, match=r"requirements\.txt.*Procfile"):
        await bench.build(stream(tree({"README": "Hello"})))
    assert bench.leftovers() == []


@pytest.mark.parametrize(
    ("procfile", "reason"),
    [
        (b"web: a\nweb: b\n", 'line 2: "web" is declared already in line 1'),
        (b"we b: a\n", 'line 1: "we b" is no process type'),
        (b"web:\n", 'line 1: "web" has no command'),
        (b"web: caf\xe9\n", "line 1: not UTF-8"),
    ],
    ids=["twice", "name", "empty", "bytes"],
)
async def test_bad_procfile(bench: Bench, procfile: bytes, reason: str) -> None:
    with pytest.raises(BuildFailed, match=reason.replace("(", r"\(")):
        await bench.build(stream(tree({"Procfile": procfile})))
    assert bench.leftovers() == []


async def test_procfile_is_never_read_through_a_link(bench: Bench) -> None:
    source = tree({"requirements.txt": ""}, links={"Procfile": "/etc/shadow"})
    with pytest.raises(BuildFailed, match="Procfile: must be an ordinary file"):
        await bench.build(stream(source))


async def test_output_of_any_kind_passes_in_pieces(bench: Bench, tmp_path: Path) -> None:
    script = r"head -c 10000000 /dev/zero | tr '\0' x; printf '\nb\xff\xfen\n'; printf 'no newline'"
    await bench.build(stream(tree({"Procfile": "web: x"})), **buildpack(tmp_path, script))
    assert b"x" * 10_000_000 in bench.transcript
    assert b"b\xff\xfen\nno newline" in bench.transcript
    assert max(bench.pieces) <= 1 << 16


async def test_output_arrives_while_the_build_runs(bench: Bench, tmp_path: Path) -> None:
    # The build waits for a file that appears only once its first line was heard.
    options = buildpack(tmp_path, "echo ready; until [[ -e $1/go ]]; do sleep 0.05; done; echo went")
    building = asyncio.ensure_future(bench.build(stream(tree({"Procfile": "web: x"})), **options))
    while "ready\n" not in bench.text:
        await asyncio.sleep(0.02)
    (bench.pool.root / "builds" / bench.build_id / "go").touch()
    await building
    assert "went\n" in bench.text


async def test_cancelled_build_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    options = buildpack(tmp_path, 'trap "" TERM; echo ready; (trap "" TERM; sleep 600) & sleep 600', detect="echo T")
    building = asyncio.ensure_future(bench.build(stream(tree({"Procfile": "web: x"})), **options))
    while "ready\n" not in bench.text:
        await asyncio.sleep(0.02)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    assert bench.leftovers() == []


async def test_build_that_takes_too_long_is_stopped(bench: Bench, tmp_path: Path) -> None:
    options = buildpack(tmp_path, "echo started; sleep 600")
    with pytest.raises(BuildTimeout, match=r"longer than 1\.2 seconds"):
        await bench.build(stream(tree({"Procfile": "web: x"})), limits=BuildLimits(timeout=1.2), **options)
    assert bench.leftovers() == []


async def test_build_that_takes_all_memory_is_killed_and_says_so(bench: Bench, tmp_path: Path) -> None:
    options = buildpack(tmp_path, "exec tail /dev/zero")
    with pytest.raises(BuildFailed, match=r"more than its 64\.0M of memory"):
        await bench.build(
            stream(tree({"Procfile": "web: x"})), limits=BuildLimits(timeout=60, memory_max=64 << 20), **options
        )
    assert bench.leftovers() == []


async def test_build_that_takes_too_much_disk_is_stopped_and_says_so(bench: Bench, tmp_path: Path) -> None:
    options = buildpack(tmp_path, "head -c 200M /dev/urandom >$1/large; sync; sleep 600")
    with pytest.raises(BuildFailed, match=r"of disk with its cache, more than the limit of 64\.0M"):
        await bench.build(
            stream(tree({"Procfile": "web: x"})), limits=BuildLimits(timeout=60, disk_max=64 << 20), **options
        )
    assert bench.leftovers() == []


async def test_fork_bomb_meets_the_task_limit(bench: Bench, tmp_path: Path) -> None:
    bomb = "python3 -c 'import os, time\nfor i in range(200): os.fork() or time.sleep(600)'"
    with pytest.raises(BuildFailed, match="exit status 1"):
        await bench.build(
            stream(tree({"Procfile": "web: x"})),
            limits=BuildLimits(timeout=60, tasks_max=50),
            **buildpack(tmp_path, bomb),
        )
    assert "Resource temporarily unavailable" in bench.text
    assert bench.leftovers() == []


async def test_source_that_breaks_off_fails_the_build(bench: Bench) -> None:
    source = tree({"Procfile": "web: x", "large": "x" * 300_000})[:200_000]
    with pytest.raises(BuildFailed, match="did not arrive whole"):
        await bench.build(stream(source))
    assert bench.leftovers() == []


async def test_error_of_the_source_ends_the_build(bench: Bench) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield tree({"Procfile": "web: x"})[:1000]
        raise ConnectionResetError("the pusher hung up")

    with pytest.raises(ConnectionResetError, match="hung up"):
        await bench.build(broken())
    assert bench.leftovers() == []


async def test_what_does_not_belong_into_a_slug_is_left_out(bench: Bench) -> None:
    files = {
        name: "x" for name in ("keep.py", "log/a.log", "tmp/b/c", "docs/m.pdf", "spec/t.rb", "sub/spec/u", "é.pdf")
    }
    ignore = "*.pdf\n/spec\n# comment\n!keep.py\n"
    slug = await bench.build(stream(tree({**files, "Procfile": "web: x", ".slugignore": ignore})))
    root = bench.pool.slug(slug.slug_id)
    kept = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert kept == {"keep.py", "sub/spec/u", "Procfile", ".slugignore"}
    assert "files matching .slugignore patterns." in bench.text


async def test_slug_over_the_limit_names_the_largest_files(bench: Bench) -> None:
    source = tree({"Procfile": "web: x", "video.mp4": "x" * 3_000_000, "small": "y" * 9000})
    with pytest.raises(SlugTooLarge, match=r"is 2\.9M, more than the limit of 2\.0M"):
        await bench.build(stream(source), max_slug_bytes=2 << 20)
    assert "2.9M  video.mp4\n" in bench.text
    assert bench.leftovers() == []


async def test_full_pool_refuses_with_numbers(bench: Bench) -> None:
    with pytest.raises(PoolFull, match=r"nearly full: .* free, a build needs 10000\.0G"):
        await bench.build(stream(b""), min_free_bytes=10_000 << 30)
    assert bench.leftovers() == []


async def test_build_cannot_reach_the_platform(bench: Bench, tmp_path: Path) -> None:
    script = """
        ls /var/lib/hostd /etc/hostd /run/hostd /work 2>&1 | sed 's/^/see: /'
        touch /usr/x /etc/x /.hostd/x 2>&1 | sed 's/^/write: /'
        cat /etc/shadow 2>&1; ls /proc | grep -c '^[0-9]' | sed 's/^/processes: /'
    """
    await bench.build(stream(tree({"Procfile": "web: x"})), **buildpack(tmp_path, script))
    assert bench.text.count("No such file or directory") == 5
    assert bench.text.count("Read-only file system") == 3


async def test_files_of_unchanged_content_share_their_blocks(bench: Bench) -> None:
    files: dict[str, str | bytes] = {"Procfile": "web: x", "same": os.urandom(200_000), "changed": os.urandom(200_000)}
    first = await bench.build(stream(tree(files)))
    second = await bench.build(stream(tree({**files, "changed": os.urandom(200_000)})), previous=first.slug_id)
    assert second.shared_bytes == 200_000 + len("web: x")
    assert second.digest != first.digest
