"""How hostd is, part by part, and which version it is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from aiohttp import web

from hostd import __version__
from hostd.api.requests import answer, context_of, user_of
from hostd.context import Context, Unit
from hostd.journals import TARGETS, target
from hostd.ledger.database import utc_now
from hostd.manager.dyno import DynoState

routes = web.RouteTableDef()

FEW_BYTES_FREE = 0.05
"""Below this share of free space the pool counts as degraded: builds are about to be refused."""
ENDS_SOON = timedelta(days=14)
"""How long before its end the platform's own certificate counts as degraded; one of our own never gets there."""


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the platform: whether it is well, and a sentence about it."""

    name: str
    ok: bool
    detail: str


@routes.get("/hostd/status")
async def show(request: web.Request) -> web.Response:
    """Every component with `ok` or `degraded`; the whole is ok if all are. What is wrong may name apps: for admins."""
    context = context_of(request)
    components = survey(context, await context.router.problems(context.settings.router_workers))
    if not user_of(request).admin:
        components = [each if each.ok else replace(each, detail="an admin sees why") for each in components]
    return answer(
        {
            "status": "ok" if all(component.ok for component in components) else "degraded",
            "version": __version__,
            "components": [
                {**asdict(component), "status": "ok" if component.ok else "degraded"} for component in components
            ],
        }
    )


@routes.get("/hostd/version")
async def show_version(_request: web.Request) -> web.Response:
    """The version of the daemon."""
    return answer({"version": __version__})


def survey(context: Context, routing: Sequence[str]) -> list[Component]:
    """Look at every component. `routing` is what is wrong with the router, as far as that is known."""
    return [
        Component("hostd", True, f"version {__version__}"),
        *_units(context, routing),
        _guarded("logs", functools.partial(_logs, context)),
        _guarded("network", functools.partial(_network, context)),
        _guarded("pool", functools.partial(_pool, context)),
        _guarded("https", functools.partial(_https, context)),
        _guarded("acme", functools.partial(_acme, context)),
        _guarded("ledger", functools.partial(_ledger, context)),
        _guarded("dynos", functools.partial(_dynos, context)),
        _guarded("alerts", functools.partial(_alerts, context)),
    ]


def _guarded(name: str, look: Callable[[], Component]) -> Component:
    # A part that cannot even be looked at is what the status is for.
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - shown to the reader of the status
        return Component(name, False, f"{type(error).__name__}: {error}")


# The journal of a namespace ends when it is idle, and its socket starts it again.
_SERVICES: tuple[tuple[str, str], ...] = (
    ("router", "hostd-router@*.service"),
    ("logplex", "hostd-logplex.service"),
    ("sshd", "hostd-sshd.service"),
    ("git", "hostd-git.service"),
    ("journal", "systemd-journald@hostd.socket"),
)
_SYSTEM_SSHD = ("ssh.service", "ssh.socket")


def _units(context: Context, routing: Sequence[str]) -> list[Component]:
    def look(name: str, pattern: str) -> Component:
        wanted = context.settings.router_workers if name == "router" else 1
        units = context.systemd.list_units([pattern])
        if name == "sshd" and not units:
            # Without a server of its own, hostd is a part of the system's.
            units = context.systemd.list_units(_SYSTEM_SSHD)
        return service(name, units, wanted=wanted, problems=routing if name == "router" else ())

    # Without a port for tokens there is no git over https.
    wanted = [each for each in _SERVICES if each[0] != "git" or context.settings.api_port]
    return [_guarded(name, functools.partial(look, name, pattern)) for name, pattern in wanted]


def service(name: str, units: Sequence[Unit], *, wanted: int, problems: Sequence[str] = ()) -> Component:
    """Judge a service by its units: `wanted` of them must be active, and no `problems` known."""
    active = sum(unit.active == "active" for unit in units)
    states = ", ".join(f"{unit.name} {unit.active} ({unit.sub})" for unit in units) or "no unit is loaded"
    return Component(name, active >= wanted and not problems, f"{states}. {' '.join(problems)}" if problems else states)


def _logs(context: Context) -> Component:
    there = {unit.name for unit in context.systemd.list_units([TARGETS]) if unit.active == "active"}
    apps = context.ledger.apps.list()
    without = sorted(app.name for app in apps if target(app.id) not in there)
    trouble = f"no journal takes the lines of {', '.join(without[:5])}{' and others' if len(without) > 5 else ''}"
    return Component("logs", not without, trouble if without else f"{len(apps)} journals take lines")


def _network(context: Context) -> Component:
    problems = context.networks.problems
    well = f"{context.networks.held} in use of {context.settings.network_prefix}"
    return Component("network", not problems, " ".join(problems) or well)


def _pool(context: Context) -> Component:
    free, total = context.pool.free_bytes(), context.pool.total_bytes()
    return Component("pool", free > total * FEW_BYTES_FREE, f"{_gib(free)} GiB free of {_gib(total)} GiB")


def _ledger(context: Context) -> Component:
    apps, users = len(context.ledger.apps.list()), len(context.ledger.users.list())
    return Component("ledger", True, f"{apps} apps, {users} users")


def _https(context: Context) -> Component:
    found = context.certificates.platform()
    if found is None:
        return Component("https", False, f"the platform's certificate cannot be read; see {context.settings.tls_dir}")
    whose = "signed by itself" if found.self_signed else "trusted" if found.trusted else "not trusted"
    ends = f"{found.expires_at:%Y-%m-%d}"
    return Component(
        "https", found.expires_at - utc_now() > ENDS_SOON, f"{', '.join(found.names)} until {ends}, {whose}"
    )


def _acme(context: Context) -> Component:
    terms, hold, apps = context.automatic.terms, context.automatic.hold, len(context.ledger.acm.apps())
    if not terms.accepted and not apps:
        return Component("acme", True, "off: no certificate authority's terms are accepted")
    well = f"certificates of {apps} apps come by themselves from {terms.directory}"
    return Component("acme", hold is None, well if hold is None else hold.reason)


def _dynos(context: Context) -> Component:
    known = [dyno for app in context.ledger.apps.list() for dyno in context.manager.dynos(app.id)]
    # An ended one-off dyno is remembered for its exit status.
    dynos = [dyno for dyno in known if dyno.state not in (DynoState.COMPLETE, DynoState.DOWN)]
    up = sum(dyno.state is DynoState.UP for dyno in dynos)
    crashed = sum(dyno.state is DynoState.CRASHED for dyno in dynos)
    # A crashed dyno is the app's affair, not a fault of the platform.
    return Component("dynos", True, f"{len(dynos)} dynos, {up} up, {crashed} crashed")


def _alerts(context: Context) -> Component:
    """Those of the platform; what an app's say is the app's affair."""
    firing = [
        f"{alert.condition} is firing (alert {alert.number})"
        for alert in context.ledger.alerts.list(None)
        if context.ledger.alert_firings.open(alert.id)
    ]
    known = len(context.ledger.alerts.watched())
    return Component("alerts", not firing, "; ".join(firing) or f"{known} are watched, none of the platform's fires")


def _gib(amount: int) -> str:
    return f"{amount / 2**30:.1f}"
