"""What all other parts of hostd stand on: the ledger, the pool, systemd, journals and networks."""

from __future__ import annotations

import asyncio
import os
import pwd
from dataclasses import dataclass
from ipaddress import IPv4Network

from hostd.deploys.garbage import claim
from hostd.events import Events
from hostd.faults import Faults
from hostd.journals import Journals, namespace
from hostd.ledger import Ledger
from hostd.settings import Settings
from hostd.writers import Writers
from slugs.pool import Pool
from slugs.stacks import Stacks
from units.journald import Limits, synchronize
from units.network import Networks
from units.ruleset import Door
from units.systemd import Systemd

ROUTER_USER = "hostd-router"


@dataclass(frozen=True, slots=True)
class Ground:
    """What all other parts stand on."""

    settings: Settings
    ledger: Ledger
    pool: Pool
    stacks: Stacks
    systemd: Systemd
    events: Events
    writers: Writers
    journals: Journals
    faults: Faults
    networks: Networks


def lay_ground(settings: Settings) -> Ground:
    """Open what there is one of. Raises HostdError when something is missing."""
    ledger = Ledger.open(settings.master_dir, uid_base=settings.uid_base)
    pool = Pool(settings.pool_dir, settings.pool_image)
    claim(pool, ledger)
    systemd = Systemd()
    systemd.attach(asyncio.get_running_loop())
    writers = Writers()
    return Ground(
        settings=settings,
        ledger=ledger,
        pool=pool,
        stacks=Stacks(pool, ledger.stacks),
        systemd=systemd,
        events=Events(writers, lambda app_id: synchronize(namespace(app_id))),
        writers=writers,
        journals=_journals(settings, ledger, systemd, writers),
        faults=Faults(settings.run_dir / "faults"),
        networks=_networks(settings),
    )


def _journals(settings: Settings, ledger: Ledger, systemd: Systemd, writers: Writers) -> Journals:
    def limits(app_id: str) -> Limits:
        own = ledger.log_limits.get(app_id)
        return Limits(own.size_mb or settings.log_size_mb, own.retention_days or 0)

    return Journals(
        systemd,
        limits=limits,
        app_ids=lambda: [app.id for app in ledger.apps.in_order()],
        forget=writers.forget,
    )


def _networks(settings: Settings) -> Networks:
    """Root, for the probe of a dyno that starts, and the router reach dynos; no other user of the machine does."""
    door = Door(settings.dyno_port, (os.getuid(), pwd.getpwnam(ROUTER_USER).pw_uid))
    prefix = IPv4Network(settings.network_prefix)
    return Networks(name=settings.network_name, prefix=prefix, run_dir=settings.run_dir, door=door)
