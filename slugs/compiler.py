"""The slug compiler: a source tree goes in, a read-only slug comes out, or nothing at all."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from buildpacks import contract
from buildpacks.procfile import ProcfileError, parse
from buildpacks.report import Report, UsedBuildpack
from buildpacks.source import PresentSource, SlugSource, Source, TarSource
from slugs.build_unit import BuildLimits, BuildUnits, Ended, Learn, Output, tree_unit_name, unit_name, unit_properties
from slugs.declared import AppJsonError, healthchecks, read_app_json, read_procfile
from slugs.errors import BuildFailed, NoBuildpack, SlugTooLarge
from slugs.pool import Pool, size
from slugs.space import MIN_FREE_BYTES, DiskGuard
from slugs.stacks import Stack, identity_binds, scratch_binds
from slugs.tree import Measured
from slugs.tree_unit import TreeUnits
from slugs.turns import AT_ONCE, Turns
from units.network import Network, Networks
from units.run import CommandError
from units.sandbox import Bind
from units.systemd import Systemd
from units.users import ensure_user

MAX_SLUG_BYTES = 500 << 20
DEFAULT_LIMITS = BuildLimits()

Arrange = Callable[["CompileRequest", bytes | None], Awaitable["CompileRequest"]]
"""Is shown the app.json of a source that was taken in, None if it has none, and says how to build it: with another
config, stack or other buildpacks than it was asked for."""

_SIGKILL = 9
_CLD_KILLED = 2
_STATUS_KILLED = 128 + _SIGKILL


@dataclass(frozen=True)
class CompileRequest:
    """What to build.

    `config` goes into the ENV directory. `buildpacks` are those that the owner has set, names or URLs; without any
    the app decides. `submodules` are the commits of git's submodules by their paths, for a source that is no git
    repository itself. `commit` may be empty when the source is one. `previous_slug` is the slug to share blocks
    with; `timeout` (seconds) None for the compiler's own. Of a SlugSource nothing is built: it becomes
    the slug as it is, under the id of the build.
    """

    build_id: str
    app_id: str
    app_name: str
    uid: int
    commit: str
    stack: Stack
    config: Mapping[str, str] = field(repr=False)
    previous_slug: str | None = None
    buildpacks: tuple[str, ...] = field(default=(), repr=False)
    source: Source = field(default_factory=TarSource)
    submodules: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None


@dataclass(frozen=True)
class CompiledSlug:
    """A finished slug.

    `process_types` are the commands by type: the Procfile's over the buildpack's own.
    `config_vars` and `addons` are the buildpack's suggestions for a first deploy. `shared_bytes` of
    `size_bytes` lie in the same blocks as the previous slug's. `buildpacks` are all that compiled, in their
    order, of which `buildpack` names the last. `stack` is the version of the stack, `commit` the one that was built,
    `files` the number of files. `checks` are the paths that its app.json wants its process types to be asked for.
    """

    slug_id: str
    size_bytes: int
    shared_bytes: int
    digest: str
    process_types: dict[str, str]
    buildpack: str
    language: str
    config_vars: dict[str, str]
    addons: list[str]
    buildpacks: list[UsedBuildpack] = field(default_factory=list)
    stack: str = ""
    commit: str = ""
    files: int = 0
    checks: dict[str, str] = field(default_factory=dict)


class _Folders(NamedTuple):
    """Where a build may write."""

    tree: Path
    cache: Path
    scratch: Path


class Compiler:
    """Compiles slugs, some at once, others when it is their turn; keeps no state but what is in the pool."""

    def __init__(
        self,
        *,
        systemd: Systemd,
        pool: Pool,
        networks: Networks | None = None,
        limits: BuildLimits = DEFAULT_LIMITS,
        max_slug_bytes: int = MAX_SLUG_BYTES,
        at_once: int = AT_ONCE,
        min_free_bytes: int = MIN_FREE_BYTES,
        tools: Mapping[str, Path] | None = None,
        buildpacks: Path = contract.FOLDER,
        order: Sequence[str] = contract.BUNDLED,
        make_room: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`tools` are programs for /.hostd/bin by their names; by default those that came with hostd.

        `buildpacks` is a folder of buildpacks, `order` the names of those that are tried, in that order.
        Without `networks` builds share the machine's own, as only tests of the compiler alone may.
        Of more than `at_once` builds the last to come wait, and their pushers are told.
        `make_room` is called when the pool has too little room for a build, and deletes what may be deleted.
        """
        self.pool = pool
        self._limits = limits
        self._max_slug_bytes = max_slug_bytes
        self._turns = Turns(at_once)
        self._guard = DiskGuard(pool, min_free=min_free_bytes, make_room=make_room)
        self._tools = find_tools(contract.TOOLS) if tools is None else dict(tools)
        self._buildpacks = buildpacks
        self._order = tuple(order)
        self._units = BuildUnits(systemd, networks)
        self._trees = TreeUnits(systemd)

    async def compile(
        self,
        request: CompileRequest,
        *,
        source: AsyncIterator[bytes] | None = None,
        output: Output,
        learn: Learn = lambda _: None,
        arrange: Arrange | None = None,
    ) -> CompiledSlug:
        """Builds; `output` gets the transcript as it is made, and `source` is the stream of a TarSource.

        `learn` is told what the build says of itself, as it names its buildpacks and when it ends, however that is.
        With `arrange` the source is taken in first, in a unit of its own, and then built as that says.

        Raises PoolFull before anything is begun, then BuildFailed and its kinds, and what `source`, `output` and
        `arrange` raise. A build that does not end with a slug, cancelled ones among them, leaves nothing:
        no unit, no tree, and the app's cache as it was.
        """
        async with self._turns.taken(output):
            await self._guard.require()
            with self.pool.noticing_full():
                return await self._compile(request, source, output, learn, arrange)

    async def _compile(
        self,
        request: CompileRequest,
        source: AsyncIterator[bytes] | None,
        output: Output,
        learn: Learn,
        arrange: Arrange | None,
    ) -> CompiledSlug:
        try:
            await ensure_user(request.uid)
            tree = self.pool.create_build(request.build_id, request.uid)
            cache = self.pool.borrow_cache(request.app_id, request.build_id, request.uid)
            folders = _Folders(tree, cache, self.pool.scratch(request.build_id))
            if arrange is not None:
                report = await self._step(request, folders, source, output, learn, only_source=True)
                request = await arrange(_taken(request, report), report.app_json)
                source = None
            ready = request.source if isinstance(request.source, SlugSource) else None
            report = await self._step(request, folders, source, output, learn, only_source=ready is not None)
            process_types = dict(ready.process_types) if ready else await discover(tree, report, output)
            checks = await _checks(tree, output)
            measured = await self._measure(request, tree)
            await self._check_size(measured, output)
            slug_id = request.build_id if ready else str(uuid.uuid4())
            self.pool.finish_build(request.app_id, request.build_id, slug_id, request.previous_slug)
        except CommandError as error:
            raise BuildFailed(f"The build could not be prepared: {error}") from error
        finally:
            self.pool.delete_build(request.build_id)
        return CompiledSlug(
            slug_id=slug_id,
            size_bytes=measured.size,
            shared_bytes=measured.shared,
            digest=measured.digest,
            process_types=process_types,
            buildpack=report.last.name,
            language=report.last.language,
            config_vars=report.release.config_vars,
            addons=report.release.addons,
            buildpacks=list(report.used),
            stack=request.stack.ref,
            commit=report.commit or request.commit,
            files=measured.files,
            checks=checks,
        )

    async def _step(  # noqa: PLR0917
        self,
        request: CompileRequest,
        folders: _Folders,
        source: AsyncIterator[bytes] | None,
        output: Output,
        learn: Learn,
        only_source: bool = False,
    ) -> Report:
        """What the unit of a build has to report; raises BuildFailed if it failed."""
        running = self._run(request, folders, source, output, learn, only_source)
        ended = await self._guard.guard(running, folders, self._limits.disk_max)
        if ended.report.failed is not None or ended.info.result != "success":
            await self._guard.blame()
            raise failure(ended, self._limits)
        return ended.report

    async def _run(  # noqa: PLR0917
        self,
        request: CompileRequest,
        folders: _Folders,
        source: AsyncIterator[bytes] | None,
        output: Output,
        learn: Learn,
        only_source: bool,
    ) -> Ended:
        stack = request.stack
        limits = self._limits if request.timeout is None else replace(self._limits, timeout=request.timeout)
        binds = [
            *identity_binds(stack, request.uid),
            Bind(folders.tree, Path(contract.BUILD_DIR), writable=True),
            Bind(folders.cache, Path(contract.CACHE_DIR), writable=True),
            *scratch_binds(folders.scratch),
            *(Bind(program, Path("/.hostd/bin") / name) for name, program in self._tools.items()),
        ]

        def properties(stdio: tuple[int, int, int], network: Network | None) -> dict[str, Any]:
            return unit_properties(
                stack=stack,
                uid=request.uid,
                binds=binds,
                limits=limits,
                description=f"{request.app_name} build {request.build_id}",
                buildpacks=self._buildpacks,
                stdio=stdio,
                network=network,
            )

        variables = contract.environment(
            stack=stack.release,
            source_version=request.commit,
            request_id=request.build_id,
        )
        order = contract.Order(
            stack_title=stack.title,
            source=request.source,
            submodules=request.submodules,
            buildpacks=request.buildpacks,
            detected=self._order,
            only_source=only_source,
        )
        return await self._units.run(
            unit_name(request.build_id),
            properties,
            header=contract.header(variables, request.config, order),
            source=source,
            output=output,
            learn=learn,
            timeout=limits.timeout,
        )

    async def _measure(self, request: CompileRequest, tree: Path) -> Measured:
        """What `slugs.tree` finds, in a unit of its own: it reads every file and waits for the disk."""
        previous = request.previous_slug
        if previous is not None and not self.pool.has_slug(previous):
            previous = None
        return await self._trees.measure(
            tree_unit_name(request.build_id),
            stack=request.stack,
            uid=request.uid,
            tree=tree,
            manifest=self.pool.manifest(request.build_id),
            successor=self.pool.create_successor(request.build_id, previous) if previous else None,
            known=self.pool.manifest(previous) if previous else None,
        )

    async def _check_size(self, measured: Measured, output: Output) -> None:
        if measured.size > self._max_slug_bytes:
            await output(b" !     The ten largest files:\n")
            for path, count in measured.largest:
                await output(f" !     {size(count):>8}  {path}\n".encode(errors="replace"))
            raise SlugTooLarge(
                f"The slug is {size(measured.size)}, more than the limit of {size(self._max_slug_bytes)}. "
                "Keep large files elsewhere, or name what the app does not need in .slugignore"
            )


def _taken(request: CompileRequest, report: Report) -> CompileRequest:
    """The same request, once its source is there."""
    commit = report.commit or request.commit
    return replace(request, commit=commit, source=PresentSource(), submodules={})


def find_tools(names: Iterable[str]) -> dict[str, Path]:
    """Those of the programs that lie beside the interpreter or on PATH."""
    found = {}
    for name in names:
        beside = Path(sys.prefix, "bin", name)
        if path := str(beside) if beside.exists() else shutil.which(name):
            found[name] = Path(path).resolve()
    return found


async def discover(tree: Path, report: Report, output: Output) -> dict[str, str]:
    """The process types of the finished tree, told to the pusher."""
    try:
        declared = parse(read_procfile(tree))
    except ProcfileError as error:
        raise BuildFailed(str(error)) from error
    defaults = report.release.default_process_types
    types = {**defaults, **declared}
    lines = ["-----> Discovering process types", f"       Procfile declares types -> {_listed(declared)}"]
    if defaults:
        lines.append(f"       Default types for buildpack -> {_listed(defaults)}")
    if report.release.addons:
        lines.append(f"       Add-ons that buildpacks suggest -> {', '.join(report.release.addons)}")
    if "web" not in types:
        lines.append("       No web process: to answer HTTP, add a line `web: COMMAND` to a Procfile")
    await output("".join(f"{line}\n" for line in lines).encode())
    return types


async def _checks(tree: Path, output: Output) -> dict[str, str]:
    """The health checks of the finished tree; what cannot be read is told, and is no reason not to release it."""
    try:
        checks = healthchecks(read_app_json(tree))
    except AppJsonError as error:
        await output(f" !     app.json gives no health check: {error}\n".encode(errors="replace"))
        return {}
    for type_, path in checks.items():
        await output(f"       Health check of {type_} -> {path}, from app.json\n".encode())
    return checks


def _listed(types: Mapping[str, str]) -> str:
    return ", ".join(sorted(types)) or "(none)"


def failure(ended: Ended, limits: BuildLimits) -> BuildFailed:
    """Why a build that ended did not make a slug."""
    info, report = ended.info, ended.report
    killed = info.exec_main_code == _CLD_KILLED and info.exec_main_status == _SIGKILL
    if info.result == "oom-kill" or killed or report.status == _STATUS_KILLED:
        return BuildFailed(
            f"The build was killed: most likely it needed more than its {size(limits.memory_max)} of memory. "
            "An admin can let builds have more: the setting build_memory_mb"
        )
    if report.failed == "detect":
        return NoBuildpack(
            "No buildpack fits this app. At the root of the repository, Python apps have a requirements.txt, Node.js "
            "apps a package.json, Ruby apps a Gemfile, others a Procfile; is it committed? docs/buildpacks.md lists "
            "them all. Or name a buildpack: hostctl buildpacks:set NAME-OR-URL"
        )
    if report.failed and report.reason:
        return BuildFailed(report.reason)
    if report.failed == "source":
        return BuildFailed("The source did not arrive whole. Push again")
    if report.failed == "compile":
        return BuildFailed(
            f"Failed to compile the {report.last.language} app (exit status {report.status}): the lines above say why"
        )
    return BuildFailed(f"The build ended early: {info.result}, status {info.exec_main_status}")
