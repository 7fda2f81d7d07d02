"""Hand-written fakes of hostd's parts behind the API: they note what is asked of them, and keep no dyno running."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostd.deploys.deploy import Deploy, PushOutcome, Wanted
from hostd.deploys.slug_drafts import SlugDraft
from hostd.dns import Found
from hostd.errors import Busy, Conflict, NotFound
from hostd.events import Events
from hostd.ledger import Ledger
from hostd.ledger.app_setups import AppSetup
from hostd.ledger.apps import App
from hostd.ledger.builds import Build
from hostd.ledger.job_runs import JobRun
from hostd.ledger.jobs import Job
from hostd.ledger.releases import Release
from hostd.ledger.slugs import Slug
from hostd.ledger.users import User
from hostd.manager.dyno import Dyno, DynoState
from hostd.manager.settling import Missing
from slugs.build_unit import Output
from units.journal import JournalUnavailable
from units.journald import Contents


class FakeWriter:
    """Keeps the lines that would go to the journal."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def send(self, message: str, **fields: str) -> None:
        self.lines.append(f"{fields['HOSTD_SOURCE']}[{fields['HOSTD_PROCESS']}]: {message}")


class FakeJournals:
    """Notes whose journals were seen to, and holds what it is given."""

    def __init__(self) -> None:
        self.ensured: list[str] = []
        self.limited: list[str] = []
        self.removed: list[str] = []
        self.holds = Contents()
        self.broken = False

    async def ensure(self, app_ids: Iterable[str] | None = None) -> None:
        self.ensured += app_ids or []

    async def limit(self, app_id: str) -> None:
        self.limited.append(app_id)

    async def contents(self, app_id: str) -> Contents:
        if self.broken:
            raise JournalUnavailable(f"the journal hostd-{app_id} cannot be read: Permission denied")
        return self.holds

    async def remove(self, app_id: str) -> None:
        self.removed.append(app_id)


@dataclass
class FakeOneOff:
    dyno: Dyno
    attach_token: str | None


class FakeManager:
    """Has the dynos it is given and notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.running: list[Dyno] = []
        self.not_up: list[Missing] = []

    def dynos(self, app_id: str) -> list[Dyno]:
        return [dyno for dyno in self.running if dyno.app_id == app_id]

    def nudge(self, app_id: str) -> None:
        self.calls.append(("nudge", app_id))

    async def route(self, app_id: str) -> None:
        self.calls.append(("route", app_id))

    async def missing(self, app: App, type_: str | None, seconds: float) -> list[Missing]:
        self.calls.append(("missing", type_, seconds))
        return self.not_up

    async def restart(self, app: App, selector: str | None) -> None:
        self.calls.append(("restart", selector))

    async def stop(self, app: App, selector: str) -> None:
        self.calls.append(("stop", selector))

    async def forget(self, app: App) -> None:
        self.calls.append(("forget", app.name))

    async def prepare_one_off(
        self,
        app: App,
        command: str,
        env: Mapping[str, str],
        size: str,
        attach: bool,
        time_limit: float | None = None,
        user_id: str | None = None,
    ) -> FakeOneOff:
        self.calls.append(("run", command, dict(env), size, attach, time_limit))
        made = dyno(app, "run", 1234, version=2, command=command, size=size)
        self.running.append(made)
        return FakeOneOff(made, "secret-token" if attach else None)

    def prepare_visit(
        self,
        app: App,
        dyno: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None,
        time_limit: float | None = None,
        user_id: str | None = None,
    ) -> FakeOneOff:
        self.calls.append(("visit", dyno, list(argv), env, time_limit))
        return FakeOneOff(self._any(dyno), "visit-token")

    def prepare_forward(self, app: App, dyno: str, port: int, user_id: str | None = None) -> FakeOneOff:
        self.calls.append(("forward", dyno, port))
        return FakeOneOff(self._any(dyno), "forward-token")

    def _any(self, wanted: str) -> Dyno:
        if not self.running:
            raise NotFound(f"Couldn't find that dyno: {wanted!r}.")
        return self.running[0]


class FakeRevoking:
    """Notes whose rights were looked at again, and on which app."""

    def __init__(self) -> None:
        self.reviewed: list[tuple[str, str | None]] = []
        self.tokens: list[tuple[str, str]] = []
        self.keys: list[tuple[str, list[str]]] = []

    def end_keys(self, user: User, keys: Collection[str], spared: int | None = None) -> None:
        assert spared in (None, os.getpid())
        self.keys.append((user.email, sorted(keys)))

    async def end_token(self, user: User, authorization_id: str) -> None:
        self.tokens.append((user.email, authorization_id))

    async def review(self, user: User, app: App | None = None) -> None:
        self.reviewed.append((user.email, app.name if app else None))


class FakeDeploys:
    """Appends to the real ledger as the real one does; pushes do what `pusher` says."""

    def __init__(self, ledger: Ledger, events: Events) -> None:
        self._ledger = ledger
        self._events = events
        self.busy: str | None = None
        self.pusher: Any = None
        self.outcomes: dict[str, PushOutcome] = {}
        self.started: list[tuple[Deploy, bytes]] = []

    async def push(self, deploy: Deploy, *, tree: AsyncIterator[bytes] | None, output: Output) -> PushOutcome:
        return await self.pusher(deploy, tree, output)

    async def start(self, deploy: Deploy, *, tree: AsyncIterator[bytes] | None) -> Build:
        if self.busy:
            raise Busy(f"{self.busy}. Wait until that is done, then try again.")
        self.started.append((deploy, tree and b"".join([piece async for piece in tree])))
        return self._ledger.builds.start(
            deploy.app.id, deploy.user.id, deploy.commit, id=deploy.id, source=deploy.label
        )

    def cancel(self, build: Build, user: User) -> bool:
        if self._ledger.builds.get(build.id).status != "pending":
            return False
        self._ledger.builds.finish(build.id, "failed", reason=f"cancelled by {user.email}", cancelled=True)
        return True

    async def output(self, build: Build) -> AsyncIterator[bytes]:
        yield self._ledger.build_outputs.get(build.id).text

    def outcome(self, push_id: str) -> PushOutcome | None:
        return self.outcomes.get(push_id)

    async def destroyed(self, app: App) -> None:
        self.cleaned = app.id

    async def release_slug(self, app: App, slug: Slug, *, user: User, description: str) -> Release:
        return await self.release(app, user=user, description=description, slug_id=slug.id)

    async def release_draft(
        self, app: App, draft: SlugDraft, tree: Callable[[], AsyncIterator[bytes]], *, user: User, description: str
    ) -> Release:
        self.taken_in = b"".join([piece async for piece in tree()])
        slug = self._ledger.slugs.add(
            app.id,
            commit=draft.commit,
            size_bytes=len(self.taken_in),
            process_types=draft.process_types,
            buildpack=draft.buildpack,
            stack=draft.stack,
            digest="",
            id=draft.id,
        )
        return await self.release(app, user=user, description=description, slug_id=slug.id)

    async def release(
        self,
        app: App,
        *,
        user: User,
        description: str,
        config: Mapping[str, str] | None = None,
        slug_id: str | None = None,
        stack: str | None = None,
    ) -> Release:
        if self.busy:
            raise Busy(f"{self.busy}. Wait until that is done, then try again.")
        current = self._ledger.releases.current(app.id)
        release = self._ledger.releases.append(
            app.id,
            slug_id=slug_id or current.slug_id,
            config=current.config if config is None else config,
            description=description,
            user=user,
            stack=stack,
        )
        self._events.release(app, release)
        return release

    def holder(self, app_id: str) -> str | None:
        return self.busy


class FakePromoter:
    """Records promotions; they are pending until the test says otherwise."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, pipeline: Any, source: Release, targets: Any, user: User) -> Any:
        if source.slug_id is None:
            raise Conflict("There is no code yet.")
        return self._ledger.promotions.begin(pipeline, source, targets, user)


class FakeSetups:
    """Records what is to be set up; setups are pending until the test says otherwise."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.begun: list[tuple[AppSetup, Wanted]] = []

    def begin(self, setup: AppSetup, app: App, user: User, wanted: Wanted) -> None:
        assert (app.id, user.id) == (setup.app_id, setup.user_id)
        self.begun.append((setup, wanted))

    async def output(self, setup: AppSetup) -> AsyncIterator[bytes]:
        yield self._ledger.app_setups.output(setup.id)


@dataclass
class FakeUnit:
    name: str
    active: str = "active"
    sub: str = "running"


class FakeSystemd:
    def __init__(self) -> None:
        self.units: dict[str, list[FakeUnit]] = {}

    def list_units(self, patterns: Sequence[str]) -> list[FakeUnit]:
        return [unit for pattern in patterns for unit in self.units.get(pattern, [])]


class FakeNetworks:
    held = 2
    problems: tuple[str, ...] = ()


class FakeScheduler:
    """Runs a job by recording that it does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.nudges = 0

    def nudge(self) -> None:
        self.nudges += 1

    async def run_now(self, app: App, job: Job, user: User) -> JobRun:
        run = self._ledger.job_runs.begin(job.id, None)
        self._ledger.job_runs.has_dyno(run, "scheduler.1234")
        return self._ledger.job_runs.list(job.id)[0]


class FakeSleeper:
    """Notes which apps it is to wake; none of them sleeps."""

    def __init__(self) -> None:
        self.nudges = 0
        self.woken: list[str] = []

    def nudge(self) -> None:
        self.nudges += 1

    def wake(self, app_id: str) -> bool:
        self.woken.append(app_id)
        return False


class FakeRouter:
    """Two workers, of which one answers."""

    wrong: Sequence[str] = ()

    async def problems(self, workers: int) -> Sequence[str]:
        return self.wrong

    async def status(self) -> dict[str, dict[str, Any]]:
        return {"1": {"worker": 1, "pid": 7, "uptime": 60.5, "sequence": 17, "requests": 3}, "2": {}}


class FakeNames:
    """The DNS: what it says of each name; nothing of others."""

    def __init__(self) -> None:
        self.known: dict[str, Found] = {}
        self.asked: list[str] = []

    async def look(self, name: str) -> Found:
        self.asked.append(name)
        return self.known.get(name, Found(apex=False))


class FakeRepositories:
    async def ensure(self, app: App) -> Path:
        return Path(f"/repos/{app.id}.git")


def dyno(app: App, type: str, number: int, **changes: Any) -> Dyno:
    known: dict[str, Any] = {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "app_id": app.id,
        "name": f"{type}.{number}",
        "type": type,
        "number": number,
        "version": 2,
        "state": DynoState.UP,
        "since": 1_769_510_888.0,
        "command": "python app.py",
        "size": "standard-1x",
        "address": "127.0.0.1",
        "port": 20000 + number,
    }
    return Dyno(**(known | changes))
