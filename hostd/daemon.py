"""hostd, the control plane's process: puts the parts together, says that it is ready, and ends when told."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import pwd
import signal
import sys
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from hostd import settings as settings_module
from hostd.acme.keeper import AutomaticCertificates
from hostd.acme.terms import Terms
from hostd.alone import only_one
from hostd.api import build_api
from hostd.api import serve as serve_api
from hostd.capacity import Capacity, machine_memory
from hostd.certificates.authorities import Authorities
from hostd.certificates.keeper import CertificateKeeper
from hostd.certificates.shelf import Shelf
from hostd.context import Context
from hostd.custom_pages import CustomPages, Kind
from hostd.deploys.deploys import Deploys
from hostd.deploys.garbage import Garbage, claim
from hostd.deploys.lastlines import LastLines
from hostd.deploys.locks import DeployLocks
from hostd.deploys.push import SETTLE_MARGIN, Pusher
from hostd.deploys.repositories import Repositories
from hostd.deploys.slug_store import SlugStore
from hostd.deploys.sources import Sources
from hostd.deploys.stack_moves import StackMoves
from hostd.deploys.stacks import StackDeploys
from hostd.dns import Dns, DomainChecks, own_addresses
from hostd.errors import HostdError, NotFound, to_terminal
from hostd.events import Events
from hostd.faults import Faults
from hostd.fetching import PageFetcher
from hostd.install.certificate import own_certificate
from hostd.ledger import Ledger
from hostd.listening import inherited, notify
from hostd.logplex.key import ensure_key
from hostd.manager.attach import AttachServer
from hostd.manager.desired import DesiredApp, desired_app, hosts_of
from hostd.manager.environment import EnvironmentFiles
from hostd.manager.launcher import Launcher
from hostd.manager.manager import Manager
from hostd.manager.places import Places
from hostd.manager.routing import Routing
from hostd.manager.session_files import SessionFiles
from hostd.manager.tools import Tools
from hostd.pauser import Pauser
from hostd.scheduler.scheduler import Scheduler
from hostd.scheduler.timers import Timers
from hostd.settings import Settings
from hostd.sleeper import Sleeper
from slugs.build_unit import BuildLimits
from slugs.compiler import Compiler
from slugs.errors import SlugsError
from slugs.pool import Pool
from slugs.space import DiskGuard
from slugs.stack_maker import STACK_BYTES, StackMaker
from slugs.stacks import HOST, Stacks
from slugs.tree_unit import TreeUnits
from units.journal import Writer
from units.leftovers import Leftovers
from units.network import Networks
from units.ruleset import Door
from units.systemd import Systemd

log = logging.getLogger(__name__)

NAMESPACE = "hostd"
ROUTER_USER = "hostd-router"


@dataclass(frozen=True, slots=True)
class Daemon:
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

    async def clean(self) -> None:
        """Take away what an earlier hostd left of apps that were being destroyed when it ended."""
        try:
            await self.manager.strays_gone()
            await self.garbage.finish_destroyed()
        except Exception as error:
            # Nobody waits for this task: what it does not log itself nobody would ever hear of.
            log.exception("something of a destroyed app is left (%s); the next start tries again", error)


def main() -> None:
    """Run hostd in the foreground, as hostd.service does."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(serve(settings_module.load()))
    except HostdError as error:
        text, code = to_terminal(error)
        print(text, file=sys.stderr)
        sys.exit(code)
    except SlugsError as error:
        sys.exit(f"{error}.")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Dynos, router and logs go on when this ends."""
    alone = only_one(settings.lock_file)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    daemon = assemble(settings)
    sockets = inherited()
    await daemon.stacks.recover()
    await daemon.garbage.recover()
    await daemon.networks.start()
    daemon.certificates.stock()
    await daemon.manager.start()
    daemon.stacks.go_on()
    daemon.scheduler.start()
    daemon.sleeper.start()
    daemon.pauser.start()
    daemon.certificates.start()
    daemon.automatic.start()
    daemon.pages.start()
    sessions = (daemon.manager.one_offs, daemon.manager.visits)
    attach = AttachServer(sockets["attach"], sessions, daemon.manager.forwards)
    attach.start()
    runner = await serve_api(build_api(daemon.context), sockets["api"])
    # What was loaded so far stays for good: looking through it again each time would be a pause of 80 ms.
    gc.freeze()
    notify("READY=1")
    log.info("ready: %d apps", len(daemon.ledger.apps.list()))
    cleaning = asyncio.create_task(daemon.clean())
    collecting = asyncio.create_task(daemon.garbage.run())
    sweeping = asyncio.create_task(Leftovers("hostd-*.service").run())
    await stop.wait()
    notify("STOPPING=1")
    cleaning.cancel()
    collecting.cancel()
    sweeping.cancel()
    await daemon.stacks.close()
    await daemon.deploys.close()
    await runner.cleanup()
    await attach.close()
    await daemon.pages.close()
    await daemon.automatic.close()
    await daemon.certificates.close()
    await daemon.pauser.close()
    await daemon.sleeper.close()
    await daemon.scheduler.close()
    await daemon.manager.close()
    await daemon.networks.close()
    daemon.systemd.close()
    daemon.ledger.close()
    alone.close()


def _networks(settings: Settings) -> Networks:
    """Root, for the probe of a dyno that starts, and the router reach dynos; no other user of the machine does."""
    door = Door(settings.dyno_port, (os.getuid(), pwd.getpwnam(ROUTER_USER).pw_uid))
    prefix = IPv4Network(settings.network_prefix)
    return Networks(name=settings.network_name, prefix=prefix, run_dir=settings.run_dir, door=door)


async def _route(ledger: Ledger, manager: Manager, app_id: str) -> None:
    """Tell the router of an app, unless that was destroyed meanwhile."""
    with contextlib.suppress(NotFound):
        ledger.apps.get(app_id)
        await manager.route(app_id)


def assemble(settings: Settings) -> Daemon:
    """Make all parts and join them; nothing is started. Raises HostdError when something is missing."""
    ledger = Ledger.open(settings.master_dir, uid_base=settings.uid_base)
    pool = Pool(settings.pool_dir, settings.pool_image)
    claim(pool, ledger)
    stacks = Stacks(pool, ledger.stacks)
    stack = stacks.current(HOST)
    systemd = Systemd()
    systemd.attach(asyncio.get_running_loop())
    events = Events(Writer(NAMESPACE))
    environment_files = EnvironmentFiles(settings.env_dir)
    faults = Faults(settings.run_dir / "faults")
    networks = _networks(settings)
    tools = Tools(
        launcher=Launcher(
            systemd=systemd,
            pool=pool,
            stacks=stacks,
            environment_files=environment_files,
            networks=networks,
            faults=faults,
        ),
        routing=Routing(
            table_file=settings.routes_file,
            control_directory=settings.router_dir,
            domain=settings.domain,
            faults=faults,
            group=pwd.getpwnam(ROUTER_USER).pw_gid,
        ),
        places=Places(networks, settings.dyno_port),
        events=events,
        settings=settings,
        faults=faults,
    )

    fetcher = PageFetcher((settings.http_port, settings.https_port))
    pages = CustomPages(settings.pages_dir, fetcher.fetch, events)

    def desired(app_id: str) -> DesiredApp | None:
        try:
            wanted = desired_app(ledger, settings, ledger.apps.get(app_id))
        except NotFound:
            pages.forget(app_id)
            return None
        own = pages.of(app_id, wanted.config)
        return replace(
            wanted,
            maintenance_page=own.get(Kind.MAINTENANCE, ""),
            error_page=own.get(Kind.ERROR, ""),
            challenges=automatic.challenges(app_id),
            proofs=automatic.proofs(app_id),
        )

    manager = Manager(
        systemd=systemd,
        pool=pool,
        environment_files=environment_files,
        session_files=SessionFiles(settings.sessions_dir),
        tools=tools,
        desired=desired,
        app_ids=lambda: [app.id for app in ledger.apps.in_order()],
    )
    pages.changed = manager.nudge
    locks = DeployLocks()
    repositories = Repositories(settings)
    garbage = Garbage(ledger, pool, stack, systemd, repositories, settings.kept_slugs, faults)
    pool.thrown_away = garbage.want
    pusher = Pusher(
        ledger=ledger,
        compiler=Compiler(
            systemd=systemd,
            pool=pool,
            networks=networks,
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
        events=events,
        settings=settings,
        locks=locks,
        faults=faults,
        last_lines=LastLines(NAMESPACE),
        garbage=garbage,
        stacks=stacks,
    )
    deploys = Deploys(
        ledger=ledger,
        manager=manager,
        events=events,
        locks=locks,
        pusher=pusher,
        garbage=garbage,
        stacks=stacks,
    )
    stack_deploys = StackDeploys(
        ledger=ledger,
        stacks=stacks,
        maker=StackMaker(
            systemd=systemd,
            pool=pool,
            guard=DiskGuard(pool, min_free=STACK_BYTES, make_room=garbage.collect_all),
        ),
        pool=pool,
        systemd=systemd,
        manager=manager,
        moves=StackMoves(
            ledger=ledger, deploys=deploys, manager=manager, locks=locks, limit=settings.boot_timeout + SETTLE_MARGIN
        ),
    )
    scheduler = Scheduler(ledger=ledger, one_offs=manager.one_offs, timers=Timers(systemd), events=events)
    systemd.subscribe(scheduler.unit_changed)
    sleeper = Sleeper(
        ledger=ledger, manager=manager, router=tools.routing, workers=settings.router_workers, events=events
    )
    certificates = CertificateKeeper(
        ledger=ledger,
        shelf=Shelf(settings.router_tls_dir, pwd.getpwnam(ROUTER_USER).pw_gid),
        events=events,
        authorities=Authorities(),
        hosts=lambda app: hosts_of(ledger, settings, app),
        nudge=manager.nudge,
        default=lambda: own_certificate(settings),
        fetch=fetcher.fetch_as,
    )
    checks = DomainChecks(Dns(), settings.domain, lambda: own_addresses(settings.network_prefix))
    automatic = AutomaticCertificates(
        ledger=ledger,
        events=events,
        certificates=certificates,
        checks=checks,
        terms=Terms.of(settings),
        # The built-in name, which comes first, is served with the platform's own certificate.
        hosts=lambda app: hosts_of(ledger, settings, app)[1:],
        target=lambda app: settings.built_in_host(app.name),
        route=lambda app_id: _route(ledger, manager, app_id),
    )
    context = Context(
        settings=settings,
        ledger=ledger,
        manager=manager,
        deploys=deploys,
        events=events,
        pool=pool,
        slug_store=SlugStore.of(
            pool=pool, stack=stack, trees=TreeUnits(systemd), garbage=garbage, locks=locks
        ),
        systemd=systemd,
        networks=networks,
        repositories=repositories,
        sources=Sources(settings.uploads_dir),
        stacks=stack_deploys,
        scheduler=scheduler,
        capacity=Capacity(machine_memory(), settings.memory_overcommit),
        sleeper=sleeper,
        certificates=certificates,
        router=tools.routing,
        automatic=automatic,
        domain_checks=checks,
        log_key=ensure_key(),
    )
    return Daemon(
        context,
        manager,
        deploys,
        garbage,
        ledger,
        systemd,
        networks,
        stack_deploys,
        scheduler,
        sleeper,
        Pauser(ledger=ledger, manager=manager, events=events),
        certificates,
        automatic,
        pages,
    )
