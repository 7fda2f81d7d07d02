"""Domains: the names under which an app answers, its built-in one and those of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hostd.acme.planner import Status
from hostd.api.acm import acm_of
from hostd.api.identity import known_owner
from hostd.api.requests import (
    answer,
    answer_list,
    app_for,
    body_of,
    by_fields,
    context_of,
    optional_text,
    text_field,
    user_of,
)
from hostd.api.shapes import app_ref, moment, stable_id
from hostd.api.sni_endpoints import choose_endpoint, endpoints_of
from hostd.certificates.matching import covering
from hostd.context import Context
from hostd.dns import Check, Leads
from hostd.domain_names import domain_name, in_unicode
from hostd.errors import Invalid, NotFound
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.domains import Domain

routes = web.RouteTableDef()

Acm = Mapping[str, Status]
"""How it stands with the automatic certificates of hosts."""
Endpoints = Mapping[str, dict[str, str]]
"""The certificates of hosts, as the API refers to them."""


@routes.get("/apps/{app}/domains")
async def index(request: web.Request) -> web.Response:
    """All names, the built-in one first; with `?check=1` it is found out where each leads, as far as seconds allow."""
    context, app = context_of(request), app_for(request)
    domains = context.ledger.domains.list(app.id)
    if request.query.get("check") == "1":
        target = context.settings.built_in_host(app.name)
        await context.domain_checks.check_all([domain.hostname for domain in domains], target)
    endpoints, acm = endpoints_of(context, app), acm_of(context, app)
    own = [_json(context, app, domain, endpoints, acm) for domain in domains]
    found = [_built_in(context, app, endpoints), *own]
    # heroku3 says domain for the hostname.
    sortable = {**by_fields("id", "hostname"), "domain": lambda found: str(found["hostname"])}
    return answer_list(request, found, sortable=sortable, default="id")


@routes.post("/apps/{app}/domains")
async def create(request: web.Request) -> web.Response:
    """Give the app a name; it answers to it at once, wherever the DNS leads."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), known_owner(user_of(request))
    body = await body_of(request)
    hostname = domain_name(text_field(body, "hostname"), context.settings.domain)
    wanted = optional_text(body, "sni_endpoint")
    if wanted and not covering(found := context.ledger.certificates.get(app.id, wanted), [hostname]):
        raise Invalid(f"The certificate {found.name} is for {', '.join(found.names)}, and not for {hostname}.")
    warning = context.ledger.domains.overlap(app.id, hostname, user)
    domain = context.ledger.domains.add(app.id, hostname, user)
    context.events.api(app, f"Add domain {hostname} by {user.email}")
    await context.manager.route(app.id)
    if wanted:
        await choose_endpoint(context, app, hostname, wanted)
    context.automatic.nudge()
    return answer(_json(context, app, domain), 201, warning=warning)


@routes.get("/apps/{app}/domains/{domain}")
async def show(request: web.Request) -> web.Response:
    """One name, and where it leads now."""
    context, app = context_of(request), app_for(request)
    if _is_built_in(context, app, request.match_info["domain"]):
        return answer(_built_in(context, app))
    domain = _named(context, app, request.match_info["domain"])
    await context.domain_checks.check(domain.hostname, context.settings.built_in_host(app.name))
    return answer(_json(context, app, domain))


@routes.patch("/apps/{app}/domains/{domain}")
async def update(request: web.Request) -> web.Response:
    """Choose the certificate of a name, by its name or id: `{"sni_endpoint"}`."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    wanted = text_field(await body_of(request), "sni_endpoint")
    if _is_built_in(context, app, request.match_info["domain"]):
        domain, hostname = None, context.settings.built_in_host(app.name)
    else:
        domain = _named(context, app, request.match_info["domain"])
        hostname = domain.hostname
    chosen = await choose_endpoint(context, app, hostname, wanted)
    context.events.api(app, f"Serve {hostname} with certificate {chosen.name} by {user.email}")
    return answer(_json(context, app, domain) if domain else _built_in(context, app))


@routes.delete("/apps/{app}/domains/{domain}")
async def remove(request: web.Request) -> web.Response:
    """Take a name away; the router forgets it at once, and any app may have it."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    if _is_built_in(context, app, request.match_info["domain"]):
        raise Invalid(f"{context.settings.built_in_host(app.name)} is built in: it goes only with the app.")
    domain = _named(context, app, request.match_info["domain"])
    shown = _json(context, app, domain)
    context.ledger.domains.remove(app.id, domain.id)
    context.domain_checks.forget(domain.hostname)
    context.events.api(app, f"Remove domain {domain.hostname} by {user.email}")
    await context.manager.route(app.id)
    context.automatic.nudge()
    return answer(shown)


@routes.delete("/apps/{app}/domains")
async def clear(request: web.Request) -> web.Response:
    """Take all names away but the built-in one; answers with them."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    shown = [_json(context, app, domain) for domain in context.ledger.domains.clear(app.id)]
    for domain in shown:
        context.domain_checks.forget(domain["hostname"])
        context.events.api(app, f"Remove domain {domain['hostname']} by {user.email}")
    await context.manager.route(app.id)
    context.automatic.nudge()
    return answer(shown)


def _named(context: Context, app: App, text: str) -> Domain:
    """The domain of that id, or of that name however it is written. Raises NotFound."""
    try:
        return context.ledger.domains.get(app.id, text)
    except NotFound:
        pass
    try:
        return context.ledger.domains.get(app.id, domain_name(text, context.settings.domain))
    except (Invalid, NotFound):
        raise NotFound(
            f"Couldn't find that domain: {app.name} has no {text[:253]!r}. Its domains: hostctl domains -a {app.name}"
        ) from None


def _is_built_in(context: Context, app: App, text: str) -> bool:
    built_in = _built_in(context, app)
    return text.lower().removesuffix(".") in (built_in["id"], built_in["hostname"])


def _built_in(context: Context, app: App, endpoints: Endpoints | None = None) -> dict[str, Any]:
    """The name that the app has by itself."""
    hostname = context.settings.built_in_host(app.name)
    return {
        **_common(app, hostname, endpoints_of(context, app) if endpoints is None else endpoints),
        "cname": None,
        "created_at": moment(app.created_at),
        "extended": {"dns": None, "unicode": hostname},
        "id": stable_id(app.id, "domain", "built-in"),
        "kind": "heroku",
        "status": "succeeded",
        "updated_at": moment(app.updated_at),
    }


def _json(
    context: Context, app: App, domain: Domain, endpoints: Endpoints | None = None, acm: Acm | None = None
) -> dict[str, Any]:
    """A domain of the app's own; its status is `succeeded` when it was found to lead here."""
    target, created = context.settings.built_in_host(app.name), moment(domain.created_at)
    check = context.domain_checks.known(domain.hostname, target)
    return {
        **_common(
            app,
            domain.hostname,
            endpoints_of(context, app) if endpoints is None else endpoints,
            (acm_of(context, app) if acm is None else acm).get(domain.hostname),
        ),
        "cname": target,
        "created_at": created,
        "extended": {"dns": _dns(check) if check else None, "unicode": in_unicode(domain.hostname)},
        "id": domain.id,
        "kind": "custom",
        "status": "succeeded" if check and check.leads is Leads.HERE else "pending",
        "updated_at": created,
    }


def _common(app: App, hostname: str, endpoints: Endpoints, acm: Status | None = None) -> dict[str, Any]:
    return {
        "acm_status": acm.state.value.lower() if acm else None,
        "acm_status_reason": acm.reason if acm else None,
        "app": app_ref(app),
        "hostname": hostname,
        "sni_endpoint": endpoints.get(hostname),
    }


def _dns(check: Check) -> dict[str, Any]:
    return {
        "addresses": list(check.found.addresses),
        "aliases": list(check.found.aliases),
        "checked_at": moment(check.at),
        "leads": check.leads.value,
        "message": check.message,
        "records": [{"name": record.name, "type": record.type, "value": record.value} for record in check.records],
    }
