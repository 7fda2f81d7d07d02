"""What the tests of the slug compiler share: a pool of their own, source trees, small buildpacks."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from slugs.compiler import CompiledSlug, Compiler, CompileRequest
from slugs.errors import NotBtrfs
from slugs.pool import Pool
from slugs.stacks import Stack, ensure_host_stack
from units.systemd import Systemd, SystemdUnavailable
from units.users import remove_user

BTRFS = Path(os.environ.get("HOSTD_TEST_BTRFS", "/var/lib/hostd/pool"))
UID = 299901


@dataclass
class Bench:
    """One app that is built again and again."""

    pool: Pool
    stack: Stack
    systemd: Systemd
    transcript: bytes = b""
    pieces: list[int] = field(default_factory=list)
    app_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    build_id: str = ""

    async def build(
        self,
        source: AsyncIterator[bytes],
        *,
        previous: str | None = None,
        config: Mapping[str, str] = {},
        **options: Any,
    ) -> CompiledSlug:
        self.transcript, self.pieces, self.build_id = b"", [], str(uuid.uuid4())
        options.setdefault("min_free_bytes", 1 << 20)
        compiler = Compiler(systemd=self.systemd, pool=self.pool, **options)
        request = CompileRequest(
            build_id=self.build_id,
            app_id=self.app_id,
            app_name="bench",
            uid=UID,
            commit="20a5742" + "0" * 33,
            stack=self.stack,
            config=config,
            previous_slug=previous,
        )
        return await compiler.compile(request, source=source, output=self._hear)

    async def _hear(self, piece: bytes) -> None:
        self.transcript += piece
        self.pieces.append(len(piece))

    @property
    def text(self) -> str:
        return self.transcript.decode(errors="replace")

    def leftovers(self) -> list[str]:
        """What a build that failed must not leave."""
        units = [unit.name for unit in self.systemd.list_units([f"hostd-build-{self.build_id}*"])]
        return [*units, *self.pool.builds(), *self.pool.slugs()]


@asynccontextmanager
async def bench_of_its_own() -> AsyncIterator[Bench]:
    """A bench with a pool and an account of its own, gone afterwards; skips where there is no systemd or btrfs."""
    with pool_of_its_own() as pool:
        systemd = Systemd()
        try:
            systemd.attach(asyncio.get_running_loop())
        except SystemdUnavailable as error:
            pytest.skip(f"needs systemd as PID 1: {error}")
        try:
            yield Bench(pool, ensure_host_stack(pool), systemd)
        finally:
            systemd.close()
            await remove_user(UID)


@contextmanager
def pool_of_its_own() -> Iterator[Pool]:
    if os.geteuid() != 0:
        pytest.skip("needs root: subvolumes are owned by apps")
    try:
        pool = Pool(BTRFS / f"test-{uuid.uuid4().hex[:8]}")
    except NotBtrfs as error:
        pytest.skip(f"needs a directory on btrfs: {error}")
    try:
        yield pool
    finally:
        for names, delete in (
            (pool.builds, pool.delete_build),
            (pool.slugs, pool.delete_slug),
            (pool.dynos, pool.delete_dyno),
            (pool.caches, pool.drop_cache),
        ):
            for name in names():
                delete(name)
        pool.empty_trash()
        shutil.rmtree(pool.root)


def tree(files: Mapping[str, str | bytes], *, links: Mapping[str, str] = {}, executable: tuple[str, ...] = ()) -> bytes:
    """A tar archive of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if name in executable else 0o644
            archive.addfile(entry, io.BytesIO(data))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def folder(path: Path) -> bytes:
    """A tar archive of a directory."""
    return tree({str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()})


async def stream(content: bytes, step: int = 65536) -> AsyncIterator[bytes]:
    for offset in range(0, len(content), step):
        yield content[offset : offset + step]


def buildpack(
    parent: Path, compile_script: str, *, detect: str = "echo Test", release: str | None = None
) -> dict[str, Any]:
    """Options of a compiler that has one buildpack, made of these scripts."""
    scripts = {"detect": detect, "compile": compile_script, "release": release}
    for name, script in scripts.items():
        if script is not None:
            path = parent / "packs/test/bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!/bin/bash\n{script}\n")
    return {"buildpacks": parent / "packs", "order": ["test"]}
