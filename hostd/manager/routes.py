"""Which dynos of an app the router may send requests to: a pure function of what is wanted and what is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hostd.manager.desired import DesiredApp
from hostd.manager.dyno import Place
from hostd.manager.planner import Observed, Phase, web_ready
from hostd.settings import Settings
from router.table import PLATFORM, PLATFORM_GIT, App, Dyno, State


def serving(desired: DesiredApp, observed: Sequence[Observed]) -> list[Observed]:
    """Return the web dynos that take traffic.

    All of the wanted release as soon as every one of them is up; until then those of the newest older
    release that are still up; with none of those, whatever is up of the wanted release.
    """
    up = [dyno for dyno in observed if dyno.type == "web" and dyno.phase is Phase.UP]
    current = [dyno for dyno in up if dyno.version == desired.version]
    older = [dyno for dyno in up if dyno.version < desired.version]
    if older and desired.web_quantity and not web_ready(desired, observed):
        newest = max(dyno.version for dyno in older)
        return [dyno for dyno in older if dyno.version == newest]
    return [dyno for dyno in current if dyno.number <= desired.web_quantity]


def route(desired: DesiredApp, observed: Sequence[Observed], places: Mapping[str, Place]) -> App:
    """Return the app's entry of the route table; *places* maps a unit to where it listens."""
    chosen = serving(desired, observed)
    return App(
        id=desired.id,
        name=desired.name,
        hosts=desired.hosts,
        certificates=desired.certificates,
        https_only=desired.https_only,
        hsts=desired.hsts,
        maintenance_page=desired.maintenance_page,
        error_page=desired.error_page,
        gate=desired.gate,
        masked=desired.masked,
        affinity=desired.affinity,
        paused_until=desired.paused_until,
        challenges=desired.challenges,
        proofs=desired.proofs,
        state=_state(desired, observed, bool(chosen)),
        dynos=tuple(
            Dyno(f"{dyno.type}.{dyno.number}", places[dyno.unit].address, places[dyno.unit].port) for dyno in chosen
        ),
    )


def api_route(settings: Settings) -> App:
    """Return the entry of the platform's own API: its host leads to hostd's port on the loopback interface."""
    return App(
        id=PLATFORM,
        name="api",
        hosts=(settings.api_host,),
        state=State.UP,
        dynos=(Dyno("api.1", "127.0.0.1", settings.api_port),),
        # Tokens come with the first request: what would answer on plain http would teach people to send them so.
        https_only=True,
        masked=("signature",),
    )


def git_route(settings: Settings) -> App:
    """Return the entry of git over https: its host leads to hostd-git."""
    return App(
        id=PLATFORM_GIT,
        name="git",
        hosts=(settings.git_host,),
        state=State.UP,
        dynos=(Dyno("git.1", settings.git_address, settings.api_port),),
        # git asks first without a token, and is sent on; it warns of that, and gives its token to https alone.
        https_only=True,
    )


def _state(desired: DesiredApp, observed: Sequence[Observed], up: bool) -> State:
    if desired.maintenance:
        return State.MAINTENANCE
    if up:
        return State.UP
    if desired.idle:
        return State.IDLE
    if not desired.web_quantity:
        return State.NONE
    crashed = [
        dyno
        for dyno in observed
        if dyno.type == "web" and dyno.version == desired.version and dyno.phase is Phase.CRASHED
    ]
    return State.CRASHED if len(crashed) >= desired.web_quantity else State.STARTING
