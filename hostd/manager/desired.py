"""Desired state: what the ledger wants of one app, as a value that could travel to another host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from hostd import sizes
from hostd.certificates.matching import assign
from hostd.ledger import Ledger
from hostd.ledger.apps import HOST_STACK, App
from hostd.ledger.database import utc_now
from hostd.ledger.features import RUNTIME_METRICS
from hostd.settings import Settings
from router.gate import Gate


@dataclass(frozen=True, slots=True)
class DesiredProcess:
    """One process type of the formation: what to run, how often, how big; `check` is the path that it must answer."""

    type: str
    command: str
    quantity: int
    size: str
    check: str | None = None


@dataclass(frozen=True, slots=True)
class DesiredApp:
    """What one app should look like. ``version`` is the release's number and orders the documents.

    ``stack`` is NAME@VERSION, or for releases from before stacks had versions only the name.
    """

    id: str
    name: str
    uid: int
    version: int
    slug_id: str | None
    processes: tuple[DesiredProcess, ...]
    config: Mapping[str, str] = field(repr=False)
    hosts: tuple[str, ...]
    maintenance: bool = False
    stack: str = HOST_STACK
    idled_at: float | None = None
    """Since when this release sleeps, in seconds since the epoch; None while it is awake."""
    certificates: Mapping[str, str] = field(default_factory=dict)
    """What the router calls the certificate of each host that has one of its own."""
    https_only: bool = False
    hsts: str = ""
    maintenance_page: str = ""
    """What the router calls the app's page for maintenance mode; "" for the built-in one."""
    error_page: str = ""
    gate: Gate | None = None
    """Who may come; None is everybody."""
    masked: tuple[str, ...] = ()
    """Query parameters whose values stay out of the log."""
    affinity: str = field(default="", repr=False)
    """The key of the cookies by which clients come back to their dyno; "" without session affinity."""
    runtime_metrics: bool = False
    """Whether its log says every 20 seconds what each dyno uses."""
    paused_until: int = 0
    """Until when its requests wait, in seconds since the epoch; 0: they do not."""
    challenges: Mapping[str, str] = field(default_factory=dict)
    """What the router tells a certificate authority that asks at a host."""
    proofs: Mapping[str, str] = field(default_factory=dict)
    """What the router calls the certificate that it shows to it instead."""

    def process(self, type_: str) -> DesiredProcess | None:
        """The process type called *type_*, if the release declares it."""
        return next((process for process in self.processes if process.type == type_), None)

    @property
    def web_quantity(self) -> int:
        """How many web dynos are wanted."""
        return sum(type_ == "web" for type_, _ in self.slots)

    @property
    def slots(self) -> list[tuple[str, int]]:
        """The dynos that are wanted, by type and number: no web dyno of an app that sleeps."""
        return [slot for slot in self.formation if self.idled_at is None or slot[0] != "web"]

    @property
    def idle(self) -> list[tuple[str, int]]:
        """The dynos that sleep until a request comes."""
        return [slot for slot in self.formation if slot not in self.slots]

    @property
    def formation(self) -> list[tuple[str, int]]:
        """The dynos that the app has, awake or not; none before the first deploy."""
        if self.slug_id is None:
            return []
        return [(process.type, number) for process in self.processes for number in range(1, process.quantity + 1)]


def desired_app(ledger: Ledger, settings: Settings, app: App) -> DesiredApp:
    """Read from the ledger what *app* should look like now."""
    release = ledger.releases.current(app.id)
    idle = ledger.idling.get(app.id)
    sleeps = idle is not None and idle.idled_version == release.version
    formation = ledger.formation.get(app.id)
    slug = ledger.slugs.get(release.slug_id) if release.slug_id else None
    checks = {**(slug.checks if slug else {}), **ledger.checks.get(app.id)}
    processes = tuple(
        DesiredProcess(
            type=type_,
            command=command,
            quantity=formation[type_].quantity if type_ in formation else 0,
            size=formation[type_].size if type_ in formation else sizes.DEFAULT,
            check=checks.get(type_),
        )
        for type_, command in (slug.process_types if slug else {}).items()
    )
    hosts = hosts_of(ledger, settings, app)
    https = ledger.https.get(app.id)
    return DesiredApp(
        id=app.id,
        name=app.name,
        uid=app.uid,
        version=release.version,
        slug_id=release.slug_id,
        processes=processes,
        config=release.config,
        hosts=hosts,
        certificates={
            host: certificate.content
            for host, certificate in assign(ledger.certificates.list(app.id), hosts, utc_now()).items()
        },
        https_only=https.redirect,
        hsts=https.hsts.header if https.hsts else "",
        gate=_gate(ledger, app),
        masked=ledger.masks.get(app.id),
        affinity=ledger.features.affinity_key(app.id),
        runtime_metrics=RUNTIME_METRICS in ledger.features.enabled(app.id),
        paused_until=int(paused.timestamp()) if (paused := ledger.pauses.until(app.id)) else 0,
        maintenance=app.maintenance,
        stack=release.stack or HOST_STACK,
        idled_at=idle.idled_at.timestamp() if idle and idle.idled_at and sleeps else None,
    )


def _gate(ledger: Ledger, app: App) -> Gate | None:
    gate = ledger.gates.get(app.id)
    return Gate(ledger.gates.hashes(app.id), tuple(map(ip_network, gate.networks))) if gate.closed else None


def hosts_of(ledger: Ledger, settings: Settings, app: App) -> tuple[str, ...]:
    """Every name that the app answers to: its built-in one, then its domains.

    Without those that have become the platform's since, by a change of its own domain.
    """
    platform = f".{settings.domain}"
    known = [domain.hostname for domain in ledger.domains.list(app.id)]
    return (settings.built_in_host(app.name), *(host for host in known if not f".{host}".endswith(platform)))
