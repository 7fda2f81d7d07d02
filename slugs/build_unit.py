"""One build as one transient unit: what the unit is, and the running of it.

The source goes in on standard input, the transcript comes out on standard output as it is made, and the
runner's report on standard error (`buildpacks/runner/build`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from buildpacks import contract
from buildpacks.report import MAX_BYTES, Report
from buildpacks.report import read as read_report
from slugs.ending import Endings
from slugs.errors import BuildFailed, BuildTimeout
from slugs.stacks import Stack, resolving_binds
from units.network import Network, NetworkError, Networks
from units.pipes import feed, pieces, pipe
from units.sandbox import Bind, Limits, hardened
from units.systemd import Systemd, SystemdError, UnitInfo

SLICE = "hostd-builds.slice"

Output = Callable[[bytes], Awaitable[None]]
"""Takes the transcript piece by piece: any bytes, at most 64 KB of them, not always whole lines."""

Learn = Callable[[Report], None]
"""Hears what a build's runner reported."""

Properties = Callable[[tuple[int, int, int], Network | None], dict[str, Any]]
"""Makes a build's unit for its three descriptors and its network."""

_ENV_SIZE = "4M"
_EARLY_REPORTS = 50
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
            *resolving_binds([*stack.binds, *stack.build_binds], network),
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


class BuildUnits:
    """Runs builds' units over one connection to systemd, each in a network of its own if there are `networks`."""

    def __init__(self, systemd: Systemd, networks: Networks | None = None) -> None:
        self._systemd = systemd
        self._networks = networks
        self._endings = Endings(systemd)

    async def run(
        self,
        name: str,
        properties: Properties,
        *,
        header: bytes,
        source: AsyncIterator[bytes] | None,
        output: Output,
        learn: Learn = lambda _: None,
        timeout: float,
    ) -> Ended:
        """Runs a build to its end; `properties` makes the unit. Without `source` it reads no more than the header.
        `learn` is told what the runner reports, when it names a buildpack and in the end, however that is.

        Raises BuildTimeout, BuildFailed when systemd cannot start it, and what `source` or `output` raise.
        However it ends, cancelled too, the unit and all its processes are gone.
        """
        content = _content(header, source)
        try:
            async with self._network(name) as network, asyncio.timeout(timeout):
                for problem in self._networks.problems if self._networks else ():
                    await output(f" !     {problem}\n".encode())
                return await self._run(name, lambda stdio: properties(stdio, network), content, output, learn)
        except TimeoutError as error:
            raise BuildTimeout(
                f"The build took longer than {_written(timeout)} and was stopped. "
                "The last lines above show where it was; hostctl builds:timeout gives it more time"
            ) from error
        except SystemdError as error:
            raise BuildFailed(f"The build's sandbox could not be run: {error}") from error
        except NetworkError as error:
            raise BuildFailed(f"The build has no network to run in. {error}") from error
        finally:
            await self._endings.remove(name)

    async def _run(
        self,
        name: str,
        properties: Callable[[tuple[int, int, int]], dict[str, Any]],
        content: AsyncIterator[bytes],
        output: Output,
        learn: Learn,
    ) -> Ended:
        said = bytearray()
        with pipe() as (stdin, fed), pipe() as (transcript, stdout), pipe() as (answer, stderr):
            await self._systemd.start(name, properties((stdin.fileno(), stdout.fileno(), stderr.fileno())))
            for theirs in (stdin, stdout, stderr):
                theirs.close()
            try:
                async with asyncio.TaskGroup() as group:
                    feeding = group.create_task(feed(fed, content))
                    group.create_task(_copy(transcript, output))
                    group.create_task(_gather(answer, said, learn))
                    # systemd holds the descriptors until it forgets the unit: only then do the streams end.
                    info = await self._endings.removed(name)
                    feeding.cancel()
                    if info is None:
                        raise BuildFailed("The build was stopped by somebody with `systemctl stop`")
            except BaseExceptionGroup as group_error:
                raise group_error.exceptions[0] from None
            finally:
                report = read_report(said)
                learn(report)
        return Ended(info, report)

    def _network(self, unit: str) -> AbstractAsyncContextManager[Network | None]:
        return self._networks.leased(unit.removesuffix(".service")) if self._networks else nullcontext()

    async def _remove(self, name: str) -> None:
        await self._systemd.stop(name)
        self._systemd.unref(name)


async def _content(header: bytes, source: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield header
    if source is not None:
        async for piece in source:
            yield piece


def _written(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"


async def _gather(end: BinaryIO, said: bytearray, learn: Learn) -> None:
    left = _EARLY_REPORTS
    async with aclosing(pieces(end, MAX_BYTES)) as heard:
        async for piece in heard:
            said += piece
            if left and b"used " in piece:
                left -= 1
                learn(read_report(said))


async def _copy(end: BinaryIO, output: Output) -> None:
    async with aclosing(pieces(end)) as copied:
        async for piece in copied:
            await output(piece)
