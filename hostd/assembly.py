"""Assembly: which parts hostd has, and what each of them is given. Nothing is started here."""

from __future__ import annotations

import contextlib
import functools
import pwd
from collections.abc import Callable
from dataclasses import dataclass, replace

from hostd.acme.keeper import AutomaticCertificates
from hostd.acme.terms import Terms
from hostd.alerts.alerts import Alerts
from hostd.alerts.assembling import assemble_alerts
from hostd.capacity import Capacity, machine_memory
from hostd.certificates.authorities import Authorities
from hostd.certificates.keeper import CertificateKeeper
from hostd.certificates.shelf import Shelf
from hostd.context import Context
from hostd.custom_pages import CustomPages, Kind
from hostd.deploys.deploys import Deploys
from hostd.deploys.destroying import destroy
from hostd.deploys.downloading import Downloads
from hostd.deploys.garbage import Garbage
from hostd.deploys.lastlines import LastLines
from hostd.deploys.locks import DeployLocks
from hostd.deploys.promoting import Promoter
from hostd.deploys.push import SETTLE_MARGIN, Pusher
from hostd.deploys.repositories import Repositories
from hostd.deploys.setups import Setups
from hostd.deploys.slug_drafts import SlugDrafts
from hostd.deploys.slug_store import SlugStore
from hostd.deploys.sources import Sources
from hostd.deploys.stack_moves import StackMoves
from hostd.deploys.stacks import StackDeploys
from hostd.dns import Dns, DomainChecks, own_addresses
from hostd.draining import Draining
from hostd.errors import NotFound
from hostd.events import Subject
from hostd.fetching import PageFetcher
from hostd.ground import ROUTER_USER, Ground, lay_ground
from hostd.install.certificate import own_certificate
from hostd.journal_deaths import JournalDeaths
from hostd.journals import Journals
from hostd.ledger import Ledger
from hostd.logplex.key import ensure_key
from hostd.manager.desired import DesiredApp, desired_app, hosts_of
from hostd.manager.environment import EnvironmentFiles
from hostd.manager.launcher import Launcher
from hostd.manager.manager import Manager
from hostd.manager.places import Places
from hostd.manager.routes import api_route, git_route
from hostd.manager.routing import Routing
from hostd.manager.session_files import SessionFiles
from hostd.manager.tools import Tools
from hostd.metrics.collector import Collector
from hostd.metrics.logplex import LogplexCounts
from hostd.metrics.losses import Losses
from hostd.metrics.store import Store
from hostd.metrics.tally import Tally
from hostd.pauser import Pauser
from hostd.revoking import Revoking
from hostd.scheduler.scheduler import Scheduler
from hostd.scheduler.timers import Timers
from hostd.settings import Settings
from hostd.sleeper import Sleeper
from hostd.webhooks.assembling import assemble_webhooks
from hostd.webhooks.worker import WebhookWorker
from hostd.writers import Writers
from router.table import PLATFORM, PLATFORM_GIT
from slugs.build_unit import BuildLimits
from slugs.compiler import Compiler
from slugs.space import DiskGuard
from slugs.stack_maker import STACK_BYTES, StackMaker
from slugs.stacks import HOST
from slugs.tree_unit import TreeUnits
from units.network import Networks
from units.systemd import Systemd


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that have a life of their own."""

    context: Context
    manager: Manager
    deploys: Deploys
    garbage: Garbage
    ledger: Ledger
    systemd: Systemd
    networks: Networks
    stacks: StackDeploys
    scheduler: Scheduler
    sleeper: Sleeper
    pauser: Pauser
    certificates: CertificateKeeper
    automatic: AutomaticCertificates
    pages: CustomPages
    journals: Journals
    writers: Writers
    alerts: Alerts
    webhooks: WebhookWorker
    promoter: Promoter
    setups: Setups


def assemble(settings: Settings) -> Parts:
    """Make all parts and join them; nothing is started. Raises HostdError when something is missing."""
    ground = lay_ground(settings)
    ledger, pool, systemd, events = ground.ledger, ground.pool, ground.systemd, ground.events
    stack = ground.stacks.current(HOST)
    environment_files = EnvironmentFiles(settings.env_dir)
    tools = _tools(ground, environment_files)
    fetcher = PageFetcher((settings.http_port, settings.https_port))
    pages = CustomPages(settings.pages_dir, fetcher.fetch, events)
    manager = Manager(
        systemd=systemd,
        pool=pool,
        environment_files=environment_files,
        session_files=SessionFiles(settings.sessions_dir),
        tools=tools,
        desired=_desired(ground, pages, lambda: automatic),
        app_ids=lambda: [app.id for app in ledger.apps.in_order()],
    )
    pages.changed = manager.nudge
    locks = DeployLocks()
    repositories = Repositories(settings)
    garbage = Garbage(ledger, pool, stack, systemd, repositories, settings.kept_slugs, ground.faults, ground.journals)
    pool.thrown_away = garbage.want
    deploys = Deploys(
        ledger=ledger,
        manager=manager,
        events=events,
        locks=locks,
        pusher=_pusher(ground, manager, garbage, locks),
        garbage=garbage,
        stacks=ground.stacks,
    )
    stacks = _stack_deploys(ground, manager, garbage, deploys, locks)
    promoter = Promoter(
        ledger=ledger, pool=pool, manager=manager, events=events, locks=locks, garbage=garbage, stacks=ground.stacks
    )
    scheduler = Scheduler(ledger=ledger, one_offs=manager.one_offs, timers=Timers(systemd), events=events)
    systemd.subscribe(scheduler.unit_changed)
    deaths = JournalDeaths(systemd, lambda app_id, text: events.platform(Subject(app_id), "logplex", text))
    systemd.subscribe(deaths.unit_changed)
    sleeper = Sleeper(
        ledger=ledger, manager=manager, router=tools.routing, workers=settings.router_workers, events=events
    )
    certificates = _certificates(ground, manager, fetcher)
    collector = _collector(ground, manager, tools)
    checks = DomainChecks(Dns(), settings.domain, lambda: own_addresses(settings.network_prefix))
    automatic = _automatic(ground, manager, certificates, checks)
    alerts = assemble_alerts(
        settings=settings,
        ledger=ledger,
        events=events,
        systemd=systemd,
        store=collector.store,
        certificates=certificates,
        full=lambda: 100 * (1 - pool.free_bytes() / max(1, pool.total_bytes())),
    )
    draining = Draining(ledger, settings)
    destroyer = functools.partial(
        destroy, ledger=ledger, scheduler=scheduler, draining=draining, manager=manager, deploys=deploys
    )
    setups = Setups(
        ledger=ledger,
        deploys=deploys,
        manager=manager,
        events=events,
        journals=ground.journals,
        settings=settings,
        downloads=Downloads.of(settings),
        destroy=destroyer,
    )
    sources = Sources(settings.uploads_dir)
    context = Context(
        settings=settings,
        ledger=ledger,
        manager=manager,
        deploys=deploys,
        promoter=promoter,
        setups=setups,
        events=events,
        pool=pool,
        slug_store=SlugStore.of(pool=pool, stack=stack, trees=TreeUnits(systemd), garbage=garbage, locks=locks),
        systemd=systemd,
        networks=ground.networks,
        repositories=repositories,
        sources=sources,
        slug_drafts=SlugDrafts(sources),
        stacks=stacks,
        scheduler=scheduler,
        capacity=_capacity(settings),
        sleeper=sleeper,
        certificates=certificates,
        router=tools.routing,
        journals=ground.journals,
        automatic=automatic,
        domain_checks=checks,
        alerts=alerts,
        metrics=collector,
        log_key=ensure_key(),
        draining=draining,
        revoking=Revoking.of(settings, ledger, deploys, manager, ensure_key()),
    )
    return Parts(
        context, manager, deploys, garbage, ledger, systemd, ground.networks, stacks, scheduler, sleeper,
        Pauser(ledger=ledger, manager=manager, events=events), certificates, automatic, pages,
        ground.journals, ground.writers, alerts, assemble_webhooks(settings, ledger, events, manager.dynos),
        promoter, setups,
    )  # fmt: skip


def _tools(ground: Ground, environment_files: EnvironmentFiles) -> Tools:
    settings = ground.settings
    routing = Routing(
        table_file=settings.routes_file,
        control_directory=settings.router_dir,
        domain=settings.domain,
        faults=ground.faults,
        group=pwd.getpwnam(ROUTER_USER).pw_gid,
    )
    if settings.api_port:
        routing.set(PLATFORM, api_route(settings))
        routing.set(PLATFORM_GIT, git_route(settings))
    return Tools(
        launcher=Launcher(
            systemd=ground.systemd,
            pool=ground.pool,
            stacks=ground.stacks,
            environment_files=environment_files,
            networks=ground.networks,
            faults=ground.faults,
            log_rate=settings.log_rate,
        ),
        routing=routing,
        places=Places(ground.networks, settings.dyno_port),
        events=ground.events,
        settings=settings,
        faults=ground.faults,
    )


def _desired(
    ground: Ground, pages: CustomPages, automatic: Callable[[], AutomaticCertificates]
) -> Callable[[str], DesiredApp | None]:
    """What an app shall be: what the ledger says, with the pages and proofs that are not in there."""

    def desired(app_id: str) -> DesiredApp | None:
        try:
            wanted = desired_app(ground.ledger, ground.settings, ground.ledger.apps.get(app_id))
        except NotFound:
            pages.forget(app_id)
            return None
        own = pages.of(app_id, wanted.config)
        return replace(
            wanted,
            maintenance_page=own.get(Kind.MAINTENANCE, ""),
            error_page=own.get(Kind.ERROR, ""),
            challenges=automatic().challenges(app_id),
            proofs=automatic().proofs(app_id),
        )

    return desired


def _collector(ground: Ground, manager: Manager, tools: Tools) -> Collector:
    settings = ground.settings
    store = Store(settings.metrics_file, settings.metrics_mb << 20)
    collector = Collector(
        store=store,
        router=tools.routing,
        usage=manager.usage,
        tally=Tally(),
        logplex=LogplexCounts(settings.run_dir / "logplex.sock").read,
        losses=Losses(lambda: [app.id for app in ground.ledger.apps.in_order()]),
    )
    ground.events.heard = ground.writers.heard = collector.tally.hear
    manager.usage.listeners.append(collector.add)
    return collector


def _pusher(ground: Ground, manager: Manager, garbage: Garbage, locks: DeployLocks) -> Pusher:
    settings = ground.settings
    return Pusher(
        ledger=ground.ledger,
        compiler=Compiler(
            systemd=ground.systemd,
            pool=ground.pool,
            networks=ground.networks,
            limits=BuildLimits(
                timeout=settings.build_timeout,
                memory_max=settings.build_memory_mb << 20,
                disk_max=settings.build_disk_mb << 20,
            ),
            max_slug_bytes=settings.slug_limit_mb << 20,
            at_once=settings.builds_at_once,
            make_room=garbage.collect_all,
        ),
        manager=manager,
        events=ground.events,
        settings=settings,
        locks=locks,
        faults=ground.faults,
        last_lines=LastLines(),
        garbage=garbage,
        stacks=ground.stacks,
        capacity=_capacity(settings),
    )


def _capacity(settings: Settings) -> Capacity:
    return Capacity(machine_memory(), settings.memory_overcommit)


def _stack_deploys(
    ground: Ground, manager: Manager, garbage: Garbage, deploys: Deploys, locks: DeployLocks
) -> StackDeploys:
    return StackDeploys(
        ledger=ground.ledger,
        stacks=ground.stacks,
        maker=StackMaker(
            systemd=ground.systemd,
            pool=ground.pool,
            guard=DiskGuard(ground.pool, min_free=STACK_BYTES, make_room=garbage.collect_all),
        ),
        pool=ground.pool,
        systemd=ground.systemd,
        manager=manager,
        moves=StackMoves(
            ledger=ground.ledger,
            deploys=deploys,
            manager=manager,
            locks=locks,
            limit=ground.settings.boot_timeout + SETTLE_MARGIN,
        ),
    )


def _certificates(ground: Ground, manager: Manager, fetcher: PageFetcher) -> CertificateKeeper:
    settings = ground.settings
    return CertificateKeeper(
        ledger=ground.ledger,
        shelf=Shelf(settings.router_tls_dir, pwd.getpwnam(ROUTER_USER).pw_gid),
        events=ground.events,
        authorities=Authorities(),
        hosts=lambda app: hosts_of(ground.ledger, settings, app),
        nudge=manager.nudge,
        default=lambda: own_certificate(settings),
        fetch=fetcher.fetch_as,
    )


def _automatic(
    ground: Ground, manager: Manager, certificates: CertificateKeeper, checks: DomainChecks
) -> AutomaticCertificates:
    settings = ground.settings

    async def route(app_id: str) -> None:
        # An app may have been destroyed meanwhile.
        with contextlib.suppress(NotFound):
            ground.ledger.apps.get(app_id)
            await manager.route(app_id)

    return AutomaticCertificates(
        ledger=ground.ledger,
        events=ground.events,
        certificates=certificates,
        checks=checks,
        terms=Terms.of(settings),
        # The built-in name, which comes first, is served with the platform's own certificate.
        hosts=lambda app: hosts_of(ground.ledger, settings, app)[1:],
        target=lambda app: settings.built_in_host(app.name),
        route=route,
    )
