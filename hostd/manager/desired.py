"""Desired state: what the ledger wants of one app, as a value that could travel to another host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hostd import sizes
from hostd.ledger import Ledger
from hostd.ledger.apps import HOST_STACK, App
from hostd.settings import Settings


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

    def process(self, type_: str) -> DesiredProcess | None:
        """The process type called *type_*, if the release declares it."""
        return next((process for process in self.processes if process.type == type_), None)

    @property
    def web_quantity(self) -> int:
        """How many web dynos are wanted."""
        web = self.process("web")
        return web.quantity if web is not None and self.slug_id is not None else 0


def desired_app(ledger: Ledger, settings: Settings, app: App) -> DesiredApp:
    """Read from the ledger what *app* should look like now."""
    release = ledger.releases.current(app.id)
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
    return DesiredApp(
        id=app.id,
        name=app.name,
        uid=app.uid,
        version=release.version,
        slug_id=release.slug_id,
        processes=processes,
        config=release.config,
        hosts=(f"{app.name}.{settings.domain}",),
        maintenance=app.maintenance,
        stack=release.stack or HOST_STACK,
    )
