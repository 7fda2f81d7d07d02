"""The real API and ledger on a real unix socket in a temporary directory; the rest are hand-written fakes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from hostd.acme.keeper import AutomaticCertificates
from hostd.api import Peers, build_api, serve
from hostd.api.application import register
from hostd.capacity import Capacity
from hostd.certificates.authorities import Authorities
from hostd.certificates.keeper import CertificateKeeper
from hostd.certificates.shelf import Shelf
from hostd.context import Context
from hostd.deploys.slug_drafts import SlugDrafts
from hostd.deploys.sources import Sources
from hostd.dns import DomainChecks
from hostd.draining import Draining
from hostd.events import Events
from hostd.install.certificate import self_signed
from hostd.ledger import Ledger
from hostd.ledger.apps import App
from hostd.ledger.database import utc_now
from hostd.ledger.releases import Release
from hostd.ledger.users import User
from hostd.manager.desired import hosts_of
from hostd.metrics.collector import Collector
from hostd.metrics.store import Store
from hostd.metrics.tally import Tally
from hostd.settings import Settings
from tests.unit.acme_fakes import automatic_certificates
from tests.unit.alerts_kit import FakeNotifier, FakeStore, alerts_of
from tests.unit.daemon_fakes import (
    FakeDeploys,
    FakeJournals,
    FakeManager,
    FakeNames,
    FakeNetworks,
    FakePromoter,
    FakeRepositories,
    FakeRevoking,
    FakeRouter,
    FakeScheduler,
    FakeSetups,
    FakeSleeper,
    FakeSystemd,
    FakeWriter,
)
from tests.unit.ledger_kit import with_ledger
from tests.unit.metrics_kit import FakeCounts, FakeLooker
from tests.unit.schema_kit import Flaws
from tests.unit.slug_fakes import FakePool, FakeSlugStore
from tests.unit.stack_fakes import FakeStacks
from tests.unit.tls_kit import nothing_fetched

LOG_KEY = b"k" * 32
NOT_ME = 4_000_000_000
PEOPLE = (("kate@example.com", True), ("you@example.com", False), ("ann@example.com", False))
"""The users that there are, and whether they are admins; the same in all tests."""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    data: Any


@dataclass
class Api:
    """The API under test, as one user sees it at a time."""

    ledger: Ledger
    manager: FakeManager
    deploys: FakeDeploys
    systemd: FakeSystemd
    pool: FakePool
    slug_store: FakeSlugStore
    stacks: FakeStacks
    log: list[str]
    http: aiohttp.ClientSession
    socket: Path
    user: str | None = None
    users: dict[str, User] = field(default_factory=dict)
    networks: FakeNetworks = field(default_factory=lambda: FakeNetworks())
    scheduler: FakeScheduler = field(init=False)
    sleeper: FakeSleeper = field(init=False)
    names: FakeNames = field(init=False)
    automatic: AutomaticCertificates = field(init=False)
    journals: FakeJournals = field(init=False)
    figures: FakeStore = field(init=False)
    receivers: FakeNotifier = field(init=False)
    metrics: Collector = field(init=False)
    revoking: FakeRevoking = field(init=False)
    setups: FakeSetups = field(init=False)
    application: web.Application = field(init=False)
    door: str = ""
    """The address of the loopback door."""

    def token(self, user: str = "you", *scope: str, expires_in: int | None = None) -> str:
        """A new token of a user, by the name before the @."""
        scopes = scope or ("global",)
        return self.ledger.authorizations.add(self.users[user].id, scope=scopes, expires_in=expires_in)[1]

    async def with_token(self, token: str | None, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Ask at the loopback door, as who has the token."""
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"{self.door}{path}", json=body, headers=headers, **more) as response,
        ):
            is_json = response.content_type == "application/json"
            read = await response.read()
            return Answer(response.status, response.headers, json.loads(read) if is_json and read else read)

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        headers = {**more.pop("headers", {})}
        if self.user:
            headers["Hostd-User"] = self.user
        async with self.http.request(method, f"http://hostd{path}", json=body, headers=headers, **more) as response:
            is_json = response.content_type == "application/json"
            data = await response.json() if is_json else await response.read()
            return Answer(response.status, response.headers, data)

    def deployed(
        self, app: App, commit: str = "20a5742" + "0" * 33, checks: Mapping[str, str] = {}, **types: str
    ) -> Release:
        """Deploy, the way a push would."""
        process_types = types or {"web": "python app.py", "worker": "python work.py"}
        slug = self.ledger.slugs.add(
            app.id,
            commit=commit,
            size_bytes=12_345,
            process_types=process_types,
            buildpack="Python",
            stack="host",
            digest="d" * 64,
            checks=checks,
        )
        self.ledger.formation.adopt(app.id, process_types)
        current = self.ledger.releases.current(app.id)
        return self.ledger.releases.append(
            app.id,
            slug_id=slug.id,
            config=current.config,
            description=f"Deploy {commit[:7]}",
            user=self.ledger.users.get(app.owner_id),
        )


@asynccontextmanager
async def running_api(
    directory: Path,
    *,
    uid_is: str = "git",
    people: bool = True,
    domain: str = "localhost",
    platform_certificate_of: datetime | None = None,
    terms_accepted: bool = True,
    router: bool = False,
    change: Callable[[web.Application], None] = lambda application: None,
    alerts_per_app: int = 50,
) -> AsyncIterator[Api]:
    """Serve the API; the test's own uid counts as `git`, as `root`, or as a `stranger`, and perhaps as the router's.

    `change` is done to the application before it serves.
    """
    ledger = Ledger.open(with_ledger(directory / "master", PEOPLE if people else ()))
    writer, manager = FakeWriter(), FakeManager()
    events = Events(writer)
    deploys, systemd, pool = FakeDeploys(ledger, events), FakeSystemd(), FakePool()
    slug_store, stacks, networks = FakeSlugStore(), FakeStacks(ledger), FakeNetworks()
    scheduler, sleeper, names = FakeScheduler(ledger), FakeSleeper(), FakeNames()
    journals = FakeJournals()
    settings = Settings(
        data_dir=directory, run_dir=directory / "run", domain=domain, alerts_per_app=alerts_per_app
    )
    (directory / "tls").mkdir()
    certificates = CertificateKeeper(
        ledger=ledger,
        shelf=Shelf(directory / "tls", None),
        events=events,
        authorities=Authorities(directory / "roots.crt"),
        hosts=lambda app: hosts_of(ledger, settings, app),
        nudge=manager.nudge,
        default=lambda: self_signed("localhost", platform_certificate_of or utc_now())[0].decode(),
        fetch=nothing_fetched,
    )
    checks = DomainChecks(names, settings.domain, lambda: ["192.0.2.1"])
    automatic = automatic_certificates(ledger, events, certificates, checks, settings, manager.route, terms_accepted)
    alerts, figures, receivers = alerts_of(ledger, events, directory)
    collector = Collector(
        store=Store(settings.metrics_file, 1 << 30), router=FakeCounts(), usage=FakeLooker(), tally=Tally()
    )
    revoking, setups = FakeRevoking(), FakeSetups(ledger)
    sources = Sources(directory / "uploads")
    context = Context(
        settings=settings,
        ledger=ledger,
        manager=manager,
        deploys=deploys,
        promoter=FakePromoter(ledger),
        setups=setups,
        events=events,
        pool=pool,
        slug_store=slug_store,
        systemd=systemd,
        networks=networks,
        repositories=FakeRepositories(),
        sources=sources,
        slug_drafts=SlugDrafts(sources),
        stacks=stacks,
        scheduler=scheduler,
        capacity=Capacity(memory=24 << 30, overcommit=2),
        sleeper=sleeper,
        certificates=certificates,
        router=FakeRouter(),
        journals=journals,
        automatic=automatic,
        domain_checks=checks,
        alerts=alerts,
        metrics=collector,
        log_key=LOG_KEY,
        draining=Draining(ledger, settings, group=None),
        revoking=revoking,
    )
    me = os.getuid()
    peers = {"git": Peers(root=NOT_ME, git=me), "root": Peers(root=me), "stranger": Peers(root=NOT_ME)}[uid_is]
    peers = replace(peers, router=me if router else NOT_ME)
    path = directory / "hostd.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(16)
    door = socket.create_server(("127.0.0.1", 0))
    application, flaws = build_api(context, peers, _routed), Flaws()
    application.middlewares.insert(0, flaws.watch)
    change(application)
    runner: web.AppRunner = await serve(application, listener, door)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http:
            api = Api(ledger, manager, deploys, systemd, pool, slug_store, stacks, writer.lines, http, path)
            api.networks, api.scheduler, api.sleeper, api.names = networks, scheduler, sleeper, names
            api.automatic, api.journals = automatic, journals
            api.revoking, api.setups = revoking, setups
            api.automatic, api.figures, api.receivers = automatic, figures, receivers
            api.metrics, api.application = collector, application
            api.door = f"http://127.0.0.1:{door.getsockname()[1]}"
            if people:
                api.users = {email.partition("@")[0]: ledger.users.get(email) for email, _ in PEOPLE}
                api.user = "you@example.com"
            yield api
        flaws.check()
    finally:
        await runner.cleanup()
        await automatic.close()
        collector.store.close()
        ledger.close()


def _routed(application: web.Application) -> None:
    """With the routes of the first one in this process: to register them takes as long as a small test."""
    if _routes:
        application._router = _routes[0]
    else:
        register(application)
        _routes.append(application.router)


_routes: list[web.UrlDispatcher] = []
