"""Https: whether an app's requests are sent to it, and whether browsers are to insist on it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hostd.api.requests import answer, app_for, body_of, context_of, flag_field, user_of
from hostd.context import Context
from hostd.errors import Invalid
from hostd.ledger.access import Right
from hostd.ledger.apps import App
from hostd.ledger.https import Hsts, Https

routes = web.RouteTableDef()

LONGEST = 2 * 31_536_000
"""Seconds that browsers may be told to remember."""
LEAST_FOR_PRELOAD = 31_536_000
"""Seconds without which a domain gets on no browser's list (hstspreload.org)."""


@routes.get("/hostd/apps/{app}/https")
async def show(request: web.Request) -> web.Response:
    """Whether requests over http are sent to https, `redirect`; and `hsts`, or null if nothing is said of it."""
    return answer(_json(context_of(request).ledger.https.get(app_for(request).id)))


@routes.patch("/hostd/apps/{app}/https")
async def update(request: web.Request) -> web.Response:
    """Change `redirect`, or `hsts`: `{"max_age": seconds, "include_subdomains"?, "preload"?}`, or null for nothing."""
    context, app, user = context_of(request), app_for(request, Right.OPERATE), user_of(request)
    body = await body_of(request)
    before = context.ledger.https.get(app.id)
    wanted = Https(
        redirect=flag_field(body, "redirect", before.redirect),
        hsts=_hsts(body["hsts"]) if "hsts" in body else before.hsts,
    )
    context.ledger.https.set(app.id, wanted)
    await context.manager.route(app.id)
    if wanted.redirect != before.redirect:
        context.events.api(app, f"{'Redirect' if wanted.redirect else 'Do not redirect'} http by {user.email}")
    if wanted.hsts != before.hsts:
        context.events.api(app, f"Set HSTS to {wanted.hsts.header if wanted.hsts else 'nothing'} by {user.email}")
    return answer(_json(wanted), warning=_warning(context, app, before, wanted))


def _hsts(value: Any) -> Hsts | None:
    if value is None:
        return None
    seconds = value["max_age"]
    if not 0 <= seconds <= LONGEST:
        raise Invalid(f"Browsers can be told to insist on https for 0 to {LONGEST} seconds, not {seconds}.")
    hsts = Hsts(seconds, flag_field(value, "include_subdomains"), flag_field(value, "preload"))
    if hsts.preload and not (hsts.subdomains and hsts.seconds >= LEAST_FOR_PRELOAD):
        raise Invalid("Browsers preload a domain only with its subdomains, and with a max-age of a year or more.")
    return hsts


def _warning(context: Context, app: App, before: Https, wanted: Https) -> str | None:
    """Before browsers insist on https, or are sent there, they should trust what they find."""
    insists = wanted.hsts is not None and wanted.hsts.seconds > 0 and wanted.hsts != before.hsts
    if not insists and not (wanted.redirect and not before.redirect):
        return None
    hosts = context.certificates.untrusted(app)
    if not hosts:
        return None
    more = " With HSTS they let nobody pass, whatever people answer." if insists else ""
    return (
        f"Browsers do not trust the certificate of {', '.join(hosts)} and warn.{more} "
        f"Add one that they trust: hostctl certs:add CRT KEY -a {app.name}"
    )


def _json(https: Https) -> dict[str, Any]:
    hsts = https.hsts
    said = {"include_subdomains": hsts.subdomains, "max_age": hsts.seconds, "preload": hsts.preload} if hsts else None
    return {"hsts": said, "redirect": https.redirect}
