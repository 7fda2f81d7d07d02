"""https, https:redirect, https:hsts: what an app wants of browsers that come without https, and with it."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import pairs

YEAR = 31_536_000
"""Seconds: what the lists that browsers come with ask for."""


@command("https", options=(*FOR_APP, JSON), examples=("hostctl https -a hello", "hostctl https --json -a hello"))
def https(call: Call) -> None:
    """Say whether an app's requests over http are sent to https, and what browsers are told (HSTS)."""
    found = call.client.get(path("hostd", "apps", call.app, "https"))
    if call.flag("json"):
        call.print_json(found)
    else:
        call.print(*pairs({"Redirect": "on" if found["redirect"] else "off", "HSTS": _said(found["hsts"])}, call.style))


@command(
    "https:redirect",
    "ON|OFF",
    options=FOR_APP,
    answers=True,
    examples=("hostctl https:redirect on -a hello", "hostctl https:redirect off -a hello"),
)
def redirect(call: Call) -> None:
    """Send requests over http to https, with status 301, or 308 for those with another method than GET and HEAD.

    The router does it, also while the app is down or in maintenance mode. Browsers remember a 301. Leave it off behind
    a proxy that takes the TLS off: the router would never see https. Off for a new app, as with Heroku.
    """
    on = _switch(call)
    doing = "Sending" if on else "No longer sending"
    with call.action(f"{doing} http requests of {call.error_style.app(call.app)} to https"):
        call.client.request("PATCH", path("hostd", "apps", call.app, "https"), {"redirect": on})


@command(
    "https:hsts",
    "ON|OFF",
    options=(
        Option("max-age", None, f"how long browsers remember it (default: {YEAR}, a year)", "SECONDS"),
        Option("include-subdomains", None, "for all names below those of the app too"),
        Option("preload", None, "agree that browsers come with the domain on their list (hstspreload.org)"),
        *FOR_APP,
    ),
    answers=True,
    examples=(
        "hostctl https:hsts on -a hello",
        "hostctl https:hsts on --max-age 3600 -a hello",
        "hostctl https:hsts on --include-subdomains --preload -a hello",
        "hostctl https:hsts off -a hello",
    ),
)
def hsts(call: Call) -> None:
    """Tell browsers to insist on https for an app's names (HTTP Strict Transport Security, RFC 6797).

    Answers over https get the header, unless the app itself sets it. Begin with a short --max-age: who has seen the
    header comes by https alone until then, and cannot pass over a certificate that is not trusted. Off tells them to
    forget it.
    """
    app = call.app
    if _switch(call):
        body: dict[str, Any] = {
            "max_age": call.number("max-age", YEAR, 1, 2 * YEAR),
            "include_subdomains": call.flag("include-subdomains"),
            "preload": call.flag("preload"),
        }
    else:
        body = {"max_age": 0}
    with call.action(f"Setting HSTS of {call.error_style.app(app)}") as action:
        found = call.client.request("PATCH", path("hostd", "apps", app, "https"), {"hsts": body}).data
        action.done = _said(found["hsts"])


def _switch(call: Call) -> bool:
    word = call.words[0].lower()
    if word not in ("on", "off"):
        raise Usage(f"Say on or off, not {call.words[0]!r}.")
    return word == "on"


def _said(found: dict[str, Any] | None) -> str:
    if found is None:
        return "off"
    if not found["max_age"]:
        return "off (browsers are told to forget it)"
    more = f"{', subdomains' * found['include_subdomains']}{', preload' * found['preload']}"
    return f"on, for {found['max_age']} s{more}"
