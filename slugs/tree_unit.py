"""What is done with an app's tree beside building and running it: measuring it, and packing it into a tarball.

Both run as the app's own user in a sandbox that has that one tree, and no network: the tree was made by the app, and
no process of root's walks through it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from slugs.ending import Endings
from slugs.errors import BuildFailed, ExportFailed
from slugs.stacks import Stack
from slugs.tree import Measured
from units.pipes import collect, pieces, pipe
from units.sandbox import Bind, Limits, hardened
from units.systemd import Systemd, SystemdError, UnitInfo

SLICE = "hostd-builds.slice"
LIMITS = Limits(memory_max=512 << 20, cpu_weight=20, tasks_max=16)
SECONDS = 600.0
"""What measuring or exporting a slug may take."""
MAX_MANIFEST_BYTES = 256 << 20

_TREE, _SUCCESSOR, _PROGRAM = Path("/app"), Path("/mnt"), Path("/opt")
_MAX_ANSWER = 1 << 16
_OOM = "it needed more memory than it may have"
_TAR = ("/bin/tar", "--create", "--file=-", "--sort=name", "--numeric-owner", "--owner=0", "--group=0")


class TreeUnits:
    """Runs these units over one connection to systemd."""

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._endings = Endings(systemd)

    async def measure(
        self,
        name: str,
        *,
        stack: Stack,
        uid: int,
        tree: Path,
        manifest: Path,
        successor: Path | None = None,
        known: Path | None = None,
    ) -> Measured:
        """Measures a build's tree and makes `successor`, a copy of the previous slug, equal to it (`slugs.tree`).

        `known` is the manifest of that slug; the tree's is written to `manifest`. Raises BuildFailed.
        """
        binds = [Bind(Path(__file__).parent, _PROGRAM), Bind(tree, _TREE)]
        binds += [Bind(successor, _SUCCESSOR, writable=True)] if successor else []
        command = ["/usr/bin/python3", "-I", "-B", str(_PROGRAM / "tree.py"), str(_TREE)]
        command += [str(_SUCCESSOR)] if successor else []
        with ExitStack() as files:
            stdin = files.enter_context(_known(known))
            stdout = files.enter_context(os.fdopen(os.open(manifest, _WRITE, 0o600), "wb"))
            answer, stderr = files.enter_context(pipe())
            properties = unit_properties(
                stack=stack,
                uid=uid,
                binds=binds,
                command=command,
                description=f"measuring {manifest.name}",
                stdio=(stdin.fileno(), stdout.fileno(), stderr.fileno()),
            )
            try:
                async with self._running(name, properties) as ended:
                    stderr.close()
                    said = await collect(answer, _MAX_ANSWER)
                info = ended.result()
            except SystemdError as error:
                raise BuildFailed(f"The build could not be measured: {error}") from error
        if (reason := failure(info, said)) is not None:
            raise BuildFailed(f"The finished build cannot become a slug: {reason}")
        return Measured(**json.loads(said))

    async def export(self, name: str, *, stack: Stack, uid: int, tree: Path) -> AsyncGenerator[bytes, None]:
        """A tree as an uncompressed tar archive of `./...`, piece by piece as fast as it is taken.

        Links are packed as links. Raises ExportFailed, in the middle too.
        """
        with ExitStack() as files:
            stdin = files.enter_context(_known(None))
            packed, stdout = files.enter_context(pipe())
            answer, stderr = files.enter_context(pipe())
            properties = unit_properties(
                stack=stack,
                uid=uid,
                binds=[Bind(tree, _TREE)],
                command=[*_TAR, f"--directory={_TREE}", "."],
                description=f"exporting {tree.name}",
                stdio=(stdin.fileno(), stdout.fileno(), stderr.fileno()),
            )
            try:
                async with self._running(name, properties) as ended:
                    stdout.close()
                    stderr.close()
                    complaining = asyncio.create_task(collect(answer, _MAX_ANSWER))
                    async with aclosing(pieces(packed)) as packing:
                        async for piece in packing:
                            yield piece
                said = await complaining
            except SystemdError as error:
                raise ExportFailed(f"The slug could not be packed: {error}") from error
        if (reason := failure(ended.result(), said)) is not None:
            raise ExportFailed(f"The slug could not be packed: {reason}")

    @asynccontextmanager
    async def _running(self, name: str, properties: dict[str, Any]) -> AsyncIterator[asyncio.Task[UnitInfo | None]]:
        """The unit while it runs, and its end, awaited behind what is done inside; if that fails, it is stopped."""
        try:
            await self._systemd.start(name, properties)
        except BaseException:
            with suppress(SystemdError):
                await self._systemd.stop(name)
                self._systemd.unref(name)
            raise
        ending = asyncio.create_task(self._endings.removed(name))
        try:
            yield ending
        except BaseException:
            ending.cancel()
            raise
        finally:
            await asyncio.wait({ending})


def unit_properties(
    *,
    stack: Stack,
    uid: int,
    binds: Sequence[Bind],
    command: Sequence[str],
    description: str,
    stdio: tuple[int, int, int],
) -> dict[str, Any]:
    """The unit as a value: a build's sandbox with one tree, without network, at a build's low priority."""
    properties = hardened(
        root=stack.root,
        uid=uid,
        gid=uid,
        binds=[*stack.binds, *binds],
        limits=LIMITS,
        slice_name=SLICE,
        description=description,
        command=command,
        environment_file=None,
        working_directory="/",
        stop_timeout=1.0,
        runtime_max=SECONDS,
        stdio=stdio,
    )
    return {**properties, "PrivateNetwork": True, "LimitFSIZE": MAX_MANIFEST_BYTES, "IOSchedulingClass": 3}


def failure(info: UnitInfo | None, said: bytes) -> str | None:
    """Why a unit of these did not do its work; None if it did."""
    if info is None:
        return "it was stopped"
    if info.result == "success":
        return None
    if info.result == "oom-kill":
        return _OOM
    if info.result == "timeout":
        return f"it took longer than {SECONDS / 60:g} minutes"
    return said.decode(errors="replace").strip() or f"{info.result}, status {info.exec_main_status}"


_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def _known(manifest: Path | None) -> BinaryIO:
    if manifest is not None and manifest.exists():
        return manifest.open("rb")
    return Path(os.devnull).open("rb")
