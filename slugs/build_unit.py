"""One build as one transient unit: what the unit is, and the running of it.

The source goes in on standard input, the transcript comes out on standard output as it is made, and the
runner's report on standard error (`buildpacks/runner/build`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from buildpacks import contract
from buildpacks.report import MAX_BYTES, Report
from buildpacks.report import read as read_report
from slugs.errors import BuildFailed, BuildTimeout
from slugs.stacks import Stack
from units.network import Network, NetworkError, Networks
from units.sandbox import Bind, Limits, hardened
from units.systemd import ANY_UNIT, Systemd, SystemdError, UnitInfo

SLICE = "hostd-builds.slice"
CHUNK = 1 << 16

Output = Callable[[bytes], Awaitable[None]]
"""Takes the transcript piece by piece: any bytes, at most CHUNK of them, not always whole lines."""

Properties = Callable[[tuple[int, int, int], Network | None], dict[str, Any]]
"""Makes a build's unit for its three descriptors and its network."""

_RESOLV_CONF = Path("/etc/resolv.conf")
_ENV_SIZE = "4M"
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class BuildLimits:
    """What a build may use: seconds, bytes of memory and disk, a share of the processor (a dyno has 100), tasks."""

    timeout: float = 15 * 60.0
    memory_max: int = 2 << 30
    disk_max: int = 10 << 30
    cpu_weight: int = 20
    tasks_max: int = 1024


@dataclass(frozen=True)
class Ended:
    """How a build's unit ended, and what its runner reported."""

    info: UnitInfo
    report: Report


def unit_name(build_id: str) -> str:
    """The unit of a build."""
    return f"hostd-build-{build_id}.service"


def tree_unit_name(build_id: str) -> str:
    """The unit that measures what a build made."""
    return f"hostd-build-{build_id}-tree.service"


def unit_properties(
    *,
    stack: Stack,
    uid: int,
    binds: Sequence[Bind],
    limits: BuildLimits,
    description: str,
    buildpacks: Path,
    stdio: tuple[int, int, int],
    network: Network | None,
) -> dict[str, Any]:
    """A build's unit as a value: as shut in as a dyno, with the directories that the contract promises.

    `buildpacks` is the folder with the bundled ones. The directory of config vars is memory of the unit's own, so
    that no value is ever written to a disk.
    """
    properties = hardened(
        root=stack.root,
        uid=uid,
        gid=uid,
        binds=[
            *_resolving([*stack.binds, *stack.build_binds], network),
            *binds,
            Bind(contract.RUNNER, Path("/.hostd/runner")),
            Bind(contract.LIBRARY, Path("/.hostd/lib")),
            Bind(buildpacks, Path(contract.BUILDPACKS_DIR)),
        ],
        limits=Limits(limits.memory_max, limits.cpu_weight, limits.tasks_max),
        slice_name=SLICE,
        description=description,
        command=["/usr/bin/env", "-i", "/bin/bash", "/.hostd/runner/build"],
        environment_file=None,
        working_directory="/",
        stop_timeout=_STOP_SECONDS,
        # Our own clock stops the build first; this one is for a build that outlived hostd.
        runtime_max=limits.timeout + 60,
        stdio=stdio,
        network=network.path if network else None,
        umask=0o022,
    )
    options = f"mode=0700,uid={uid},gid={uid},size={_ENV_SIZE}"
    properties["TemporaryFileSystem"] = [
        *properties.get("TemporaryFileSystem", []),
        (contract.ENV_DIR, options),
    ]
    properties["ReadWritePaths"] = [*properties["ReadWritePaths"], contract.ENV_DIR]
    return properties


def _resolving(binds: Sequence[Bind], network: Network | None) -> Iterator[Bind]:
    """A network of its own asks other resolvers than the machine does."""
    for bind in binds:
        if network is None or bind.target != _RESOLV_CONF:
            yield bind
    if network is not None:
        yield Bind(network.resolv_conf, _RESOLV_CONF)


class BuildUnits:
    """Runs builds' units over one connection to systemd, each in a network of its own if there are `networks`."""

    def __init__(self, systemd: Systemd, networks: Networks | None = None) -> None:
        self._systemd = systemd
        self._networks = networks
        self._changed: dict[str, asyncio.Event] = {}
        systemd.subscribe(self._notice)

    async def run(
        self,
        name: str,
        properties: Properties,
        *,
        header: bytes,
        source: AsyncIterator[bytes],
        output: Output,
        timeout: float,
    ) -> Ended:
        """Runs a build to its end; `properties` makes the unit.

        Raises BuildTimeout, BuildFailed when systemd cannot start it, and what `source` or `output` raise.
        However it ends, cancelled too, the unit and all its processes are gone.
        """
        self._changed[name] = asyncio.Event()
        try:
            async with self._network(name) as network, asyncio.timeout(timeout):
                for problem in self._networks.problems if self._networks else ():
                    await output(f" !     {problem}\n".encode())
                return await self._run(name, lambda stdio: properties(stdio, network), header, source, output)
        except TimeoutError as error:
            raise BuildTimeout(
                f"The build took longer than {timeout / 60:g} minutes and was stopped. "
                "The last lines above show where it was"
            ) from error
        except SystemdError as error:
            raise BuildFailed(f"The build's sandbox could not be run: {error}") from error
        except NetworkError as error:
            raise BuildFailed(f"The build has no network to run in. {error}") from error
        finally:
            del self._changed[name]
            await self._remove(name)

    async def _run(
        self,
        name: str,
        properties: Callable[[tuple[int, int, int]], dict[str, Any]],
        header: bytes,
        source: AsyncIterator[bytes],
        output: Output,
    ) -> Ended:
        with _pipe() as (stdin, feed), _pipe() as (transcript, stdout), _pipe() as (answer, stderr):
            await self._systemd.start(name, properties((stdin.fileno(), stdout.fileno(), stderr.fileno())))
            for theirs in (stdin, stdout, stderr):
                theirs.close()
            try:
                async with asyncio.TaskGroup() as group:
                    feeding = group.create_task(_feed(feed, header, source))
                    group.create_task(_copy(transcript, output))
                    said = group.create_task(_collect(answer, MAX_BYTES))
                    info = await self._ended(name)
                    feeding.cancel()
                    # systemd holds the descriptors until it forgets the unit: only then do the streams end.
                    await self._remove(name)
            except BaseExceptionGroup as group_error:
                raise group_error.exceptions[0] from None
        return Ended(info, read_report(said.result()))

    def _network(self, unit: str) -> AbstractAsyncContextManager[Network | None]:
        return self._networks.leased(unit.removesuffix(".service")) if self._networks else nullcontext()

    async def _remove(self, name: str) -> None:
        await self._systemd.stop(name)
        self._systemd.unref(name)

    async def _ended(self, name: str) -> UnitInfo:
        changed = self._changed[name]
        while True:
            changed.clear()
            info = self._systemd.info(name)
            if info is None:
                raise BuildFailed("The build was stopped by somebody with `systemctl stop`")
            if info.active == "failed" or info.sub in ("exited", "dead"):
                return info
            await changed.wait()

    def _notice(self, unit: str) -> None:
        for name, event in self._changed.items():
            if unit in (name, ANY_UNIT):
                event.set()


@contextmanager
def _pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", 0) as reading, os.fdopen(writer, "wb", 0) as writing:
        yield reading, writing


async def _feed(pipe: BinaryIO, header: bytes, source: AsyncIterator[bytes]) -> None:
    """Writes everything into the pipe and closes it; a build that stops reading is no error here."""
    os.set_blocking(pipe.fileno(), False)
    with suppress(BrokenPipeError):
        await _write(pipe.fileno(), header)
        async for piece in source:
            await _write(pipe.fileno(), piece)
    pipe.close()


async def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            await _writable(descriptor)


async def _writable(descriptor: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)


@asynccontextmanager
async def _reading(pipe: BinaryIO) -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader(limit=CHUNK)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        yield reader
    finally:
        transport.close()


async def _copy(pipe: BinaryIO, output: Output) -> None:
    async with _reading(pipe) as reader:
        while piece := await reader.read(CHUNK):
            await output(piece)


async def _collect(pipe: BinaryIO, limit: int) -> bytes:
    """All that is written to the pipe, of which the first `limit` bytes are kept."""
    collected = bytearray()
    async with _reading(pipe) as reader:
        while piece := await reader.read(CHUNK):
            collected += piece[: limit - len(collected)]
    return bytes(collected)
