"""The application: its routes, what every request passes through, and how it is served."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from aiohttp import web

from hostd.api import (
    account,
    acm,
    addons,
    alerts,
    app_setups,
    apps,
    audit,
    authorizations,
    buildpack_installations,
    buildpacks,
    builds,
    checks,
    collaborators,
    config_vars,
    current_status,
    deploys,
    documents,
    domains,
    doors,
    dyno_sizes,
    dynos,
    features,
    filters,
    formation,
    gate,
    git_https,
    https,
    idling,
    internal,
    jobs,
    log_drains,
    log_limits,
    log_sessions,
    log_streams,
    metrics,
    pipeline_transfers,
    pipelines,
    promotions,
    regions,
    releases,
    router,
    routing,
    slugs,
    sni_endpoints,
    sources,
    stacks,
    status,
    streams,
    teams,
    transfers,
    users,
    webhooks,
)
from hostd.api.actor import attribute
from hostd.api.audit import record
from hostd.api.failures import explain, finish
from hostd.api.git_https import FETCHES, Recent
from hostd.api.identity import LOCKOUT, PEERS, Peers, identify
from hostd.api.limits import Lockout, Quota
from hostd.api.middlewares import count, dispatch, number, override, pack, sign, spare
from hostd.api.requests import CONTEXT, QUOTA
from hostd.api.revoking import ATTENDED, Attended, attend
from hostd.context import Context
from hostd.unreadable import Runner, server_log

MODULES = (
    account,
    acm,
    addons,
    alerts,
    app_setups,
    apps,
    audit,
    authorizations,
    buildpack_installations,
    buildpacks,
    builds,
    checks,
    collaborators,
    config_vars,
    current_status,
    deploys,
    documents,
    domains,
    doors,
    dyno_sizes,
    dynos,
    features,
    filters,
    formation,
    gate,
    git_https,
    https,
    idling,
    internal,
    jobs,
    log_drains,
    log_limits,
    log_sessions,
    log_streams,
    metrics,
    pipeline_transfers,
    pipelines,
    promotions,
    regions,
    releases,
    router,
    routing,
    slugs,
    sni_endpoints,
    sources,
    stacks,
    status,
    streams,
    teams,
    transfers,
    users,
    webhooks,
)
"""One for each resource."""
MIDDLEWARES = (number, finish, pack, explain, override, record, attend, identify, attribute, count, spare, dispatch)
"""Outermost first."""
LARGEST_BODY = 1024 * 1024
"""Bytes of a JSON body; a pushed tree is a stream and has no limit here."""

LONGEST_HEADER = 16 * 1024
"""Bytes; Heroku's command line sends a Request-Id of up to 7 KB."""


def register(application: web.Application) -> None:
    """Tell an application the routes of all modules."""
    for module in MODULES:
        application.router.add_routes(module.routes)


def build_api(
    context: Context, peers: Peers | None = None, routed: Callable[[web.Application], None] = register
) -> web.Application:
    """The API as an aiohttp application; `peers` are the uids it listens to, by default those of this machine."""
    application = web.Application(middlewares=MIDDLEWARES, client_max_size=LARGEST_BODY)
    application.on_response_prepare.append(sign)
    application[CONTEXT] = context
    application[PEERS] = peers or Peers.of_system()
    application[LOCKOUT] = Lockout(time.monotonic)
    application[QUOTA] = Quota(time.monotonic)
    application[FETCHES] = Recent(time.monotonic)
    application[ATTENDED] = Attended()
    current_status.prepare(application)
    routed(application)
    return application


async def serve(application: web.Application, *listeners: socket.socket) -> web.AppRunner:
    """Serve on listening sockets until the runner's `cleanup()`. Handlers learn when their client hangs up."""
    runner = Runner(
        application,
        access_log=None,
        logger=server_log,
        handler_cancellation=True,
        shutdown_timeout=5.0,
        max_field_size=LONGEST_HEADER,
        max_line_size=LONGEST_HEADER,
    )
    await runner.setup()
    for listener in listeners:
        await web.SockSite(runner, listener).start()
    return runner
