"""A disk that runs full while a build is running: nothing is left of the build, and nothing lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slugs.errors import PoolFull
from tests.box.slugs_kit import UID, Bench, bench_of_its_own, buildpack, stream, tree


@pytest.mark.parametrize("min_free", [1 << 20, 300 << 20], ids=["the disk is full", "the guard stops it"])
async def test_a_build_that_fills_the_disk_leaves_nothing(tmp_path: Path, min_free: int) -> None:
    """Also where somebody else fills it while the build is running."""
    source = tree({"Procfile": "web: sleep 1"})
    compile_ = 'echo kept > "$2/good"; echo ready; read -t 2 < <(sleep 2); head -c 4G /dev/zero > "$1/large"'
    async with bench_of_its_own() as bench:
        await bench.build(stream(source), **buildpack(tmp_path / "first", 'echo kept > "$2/good"'))
        [slug] = bench.pool.slugs()
        with filled_when_ready(bench, leave=400 << 20):
            with pytest.raises(PoolFull) as failed:
                options = buildpack(tmp_path / "second", compile_)
                await bench.build(stream(source), previous=slug, min_free_bytes=min_free, **options)
            assert bench.leftovers() == [slug]
            assert (bench.pool.cache(bench.app_id, UID) / "good").read_text() == "kept\n"
        assert "ran full while the build was running" in str(failed.value)
        again = await bench.build(stream(source), previous=slug, **buildpack(tmp_path / "third", "true"))
        assert bench.pool.has_slug(again.slug_id)


@contextmanager
def filled_when_ready(bench: Bench, *, leave: int) -> Iterator[None]:
    """When the build says `ready`, the pool is filled but for so many bytes."""
    filler = bench.pool.root / "filler"
    hear = bench._hear

    async def fill(piece: bytes) -> None:
        await hear(piece)
        if b"ready" in piece and not filler.exists():
            free = bench.pool.free_bytes()
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free - leave)

    bench._hear = fill  # type: ignore[method-assign]
    try:
        yield
    finally:
        bench._hear = hear  # type: ignore[method-assign]
        filler.unlink(missing_ok=True)
        subprocess.run(["btrfs", "filesystem", "sync", str(bench.pool.root)], check=True)
