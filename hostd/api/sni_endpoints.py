"""Certificates, under Heroku's name for them: SNI endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hostd.api.requests import answer, answer_list, app_for, body_of, by_fields, context_of, optional_text, user_of
from hostd.api.shapes import app_ref, moment, stable_id
from hostd.certificates.checking import Checked, describe
from hostd.certificates.matching import covering
from hostd.context import Context
from hostd.errors import Invalid, Unavailable
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.certificates import Certificate
from hostd.ledger.database import utc_now
from hostd.manager.desired import hosts_of

routes = web.RouteTableDef()

LONGEST_NAME = 100
"""Characters."""


@routes.get("/apps/{app}/sni-endpoints")
async def index(request: web.Request) -> web.Response:
    """The app's certificates, those that were added or changed last at the end. Private keys are never shown."""
    context, app = context_of(request), app_for(request)
    served = context.certificates.served(app)
    found = [_json(context, app, each, served) for each in context.ledger.certificates.list(app.id)]
    return answer_list(request, found, sortable=by_fields("id", "name"), default="id")


@routes.post("/apps/{app}/sni-endpoints")
async def create(request: web.Request) -> web.Response:
    """Add a certificate: `{"certificate_chain": PEM, "private_key": PEM, "display_name"?}`, in whatever order."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    chain, key = optional_text(body, "certificate_chain") or "", optional_text(body, "private_key") or ""
    judged = await context.certificates.judge(chain, key)
    made = context.ledger.certificates.add(app.id, judged, _display_name(body))
    await _serve(context, app, made)
    context.automatic.nudge()
    context.events.api(app, f"Add certificate {made.name} ({', '.join(made.names)}) by {user.email}")
    return answer(_json(context, app, made), 201, warning=_warning(context, app, judged))


@routes.get("/apps/{app}/sni-endpoints/{certificate}")
async def show(request: web.Request) -> web.Response:
    """One certificate, by its name or id."""
    context, app = context_of(request), app_for(request)
    return answer(_json(context, app, context.ledger.certificates.get(app.id, request.match_info["certificate"])))


@routes.patch("/apps/{app}/sni-endpoints/{certificate}")
async def update(request: web.Request) -> web.Response:
    """Put another certificate in its place, for the same key if none is given; or change its `display_name`."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    found = context.ledger.certificates.get(app.id, request.match_info["certificate"])
    chain, key = optional_text(body, "certificate_chain"), optional_text(body, "private_key")
    if chain:
        _refuse_automatic(app, found)
    if key and not chain:
        raise Invalid("A private key comes with its certificate: the field certificate_chain is missing.")
    warning = None
    if chain:
        judged = await context.certificates.judge(chain, key or _own_key(context, found, chain))
        old, found = found, context.ledger.certificates.update(app.id, found.id, judged)
        await _serve(context, app, found)
        context.certificates.withdraw(old)
        context.automatic.nudge()
        context.events.api(app, f"Update certificate {found.name} ({', '.join(found.names)}) by {user.email}")
        warning = _warning(context, app, judged)
    if "display_name" in body:
        found = context.ledger.certificates.rename(app.id, found.id, _display_name(body))
    return answer(_json(context, app, found), warning=warning)


@routes.delete("/apps/{app}/sni-endpoints/{certificate}")
async def remove(request: web.Request) -> web.Response:
    """Remove a certificate and its key; its hosts are served with another that is good for them, else the default."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    found = context.ledger.certificates.get(app.id, request.match_info["certificate"])
    _refuse_automatic(app, found)
    shown = _json(context, app, found)
    context.ledger.certificates.remove(app.id, found.id)
    await context.manager.route(app.id)
    context.certificates.withdraw(found)
    context.automatic.nudge()
    context.events.api(app, f"Remove certificate {found.name} ({', '.join(found.names)}) by {user.email}")
    return answer(shown)


def endpoints_of(context: Context, app: App) -> dict[str, dict[str, str]]:
    """The certificates with which hosts of the app are served, by host, as other resources refer to them."""
    return {host: {"id": found.id, "name": found.name} for host, found in context.certificates.served(app).items()}


async def choose_endpoint(context: Context, app: App, hostname: str, name_or_id: str) -> Certificate:
    """Let a host be served with this certificate from now on. Raises NotFound; Invalid if that cannot be."""
    found = context.ledger.certificates.get(app.id, name_or_id)
    if not covering(found, [hostname]):
        raise Invalid(f"The certificate {found.name} is for {', '.join(found.names)}, and not for {hostname}.")
    if context.certificates.served(app)[hostname].id != found.id:
        found = context.ledger.certificates.prefer(app.id, found.id)
        if (chosen := context.certificates.served(app)[hostname]).id != found.id:
            raise Invalid(
                f"{hostname} stays with {chosen.name}: of {found.name} it is in the names only by a wildcard, or it "
                "is not valid now, or automatic."
            )
        await context.manager.route(app.id)
    return found


def _refuse_automatic(app: App, certificate: Certificate) -> None:
    if certificate.automatic:
        raise Invalid(
            f"{certificate.name} is looked after by itself. One that you add comes before it: hostctl certs:add CRT "
            f"KEY -a {app.name}. A new one of its kind: hostctl certs:auto:refresh {certificate.names[0]} -a {app.name}"
        )


def _own_key(context: Context, found: Certificate, chain: str) -> str:
    """The key that the ledger has; none if a key came along with the certificates."""
    return "" if "PRIVATE KEY-----" in chain else context.ledger.certificates.key(found)


async def _serve(context: Context, app: App, certificate: Certificate) -> None:
    # The file first: the router takes it as soon as its table names it.
    try:
        context.certificates.put(certificate)
    except OSError as error:
        raise Unavailable(
            f"The certificate {certificate.name} is recorded, and the router cannot be given it: {error.strerror}. "
            "hostd tries again every five minutes."
        ) from error
    await context.manager.route(app.id)


def _warning(context: Context, app: App, judged: Checked) -> str | None:
    told = list(judged.warnings)
    hosts = hosts_of(context.ledger, context.settings, app)
    if not covering(judged, hosts):
        told.append(
            f"It serves none of the names of {app.name} ({', '.join(hosts)}), only {', '.join(judged.names)}. "
            f"Give the app that name: hostctl domains:add {judged.names[0]} -a {app.name}"
        )
    return " ".join(told) or None


def _display_name(body: dict[str, Any]) -> str | None:
    name = optional_text(body, "display_name")
    if name and (len(name) > LONGEST_NAME or not name.isprintable()):
        raise Invalid(f"A display name has at most {LONGEST_NAME} printable characters.")
    return name


def _json(
    context: Context, app: App, certificate: Certificate, served: Mapping[str, Certificate] | None = None
) -> dict[str, Any]:
    said = describe(certificate.chain, now=utc_now(), authorities=context.certificates.authorities)
    served = context.certificates.served(app) if served is None else served
    hosts = [host for host, each in served.items() if each.id == certificate.id]
    domains = {domain.hostname: domain.id for domain in context.ledger.domains.list(app.id)}
    built_in = {context.settings.built_in_host(app.name): stable_id(app.id, "domain", "built-in")}
    return {
        "app": app_ref(app),
        "certificate_chain": certificate.chain,
        "cname": None,
        "created_at": moment(certificate.created_at),
        "display_name": certificate.display_name,
        "domains": [(domains | built_in)[host] for host in hosts],
        "extended": {
            "chain_length": said.chain_length,
            "fingerprint": certificate.fingerprint,
            "key": said.key,
            "serves": hosts,
        },
        "id": certificate.id,
        "name": certificate.name,
        "ssl_cert": {
            "acm": certificate.automatic,
            "ca_signed?": said.trusted,
            "cert_domains": list(certificate.names),
            "expires_at": moment(certificate.expires_at),
            "id": certificate.fingerprint,
            "issuer": said.issuer,
            "self_signed?": said.self_signed,
            "starts_at": moment(certificate.starts_at),
            "subject": said.subject,
        },
        "updated_at": moment(certificate.updated_at),
    }
