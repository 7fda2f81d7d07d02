"""certs, certs:info, certs:add, certs:update, certs:remove, domains:update."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, command
from hostd.cli.output import RED, YELLOW, Style, columns, cut, pairs, printable, seconds, utc

LARGEST = 256 * 1024
"""Bytes of certificates and keys."""
WARN_SECONDS = 30 * 86400
"""How long before its end a certificate is marked."""

NAME = Option("name", None, "the certificate, as certs lists it; needless if the app has only one", "NAME")
LABEL = Option("display-name", None, "a name for people", "TEXT")
CONFIRM = Option("confirm", "c", "the app's name, instead of typing it when asked", "APP")

_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)


@command(
    "certs",
    options=(*FOR_APP, JSON),
    examples=("hostctl certs -a hello", "hostctl certs --json -a hello"),
)
def certs(call: Call) -> None:
    """List an app's certificates: for which names they are, until when, and which of the app's names are served.

    A name without one is served with the platform's own. Of several that are good for a name the one that was added or
    updated last is taken; one that names it comes before one with a wildcard. Thirty days before a certificate
    ends this list says so, and so does the app's log.
    """
    app, now = call.app, call.around.clock()
    found = call.client.get(path("apps", app, "sni-endpoints"))
    if call.flag("json"):
        call.print_json(found)
    elif found:
        head = ("Name", "Common Name(s)", "Expires", "Trusted", "Serves")
        call.print(call.style.heading(f"{call.style.app(app)} Certificates"), "")
        rows = [head, *(_row(each, now, call.style) for each in found)]
        call.print(*columns(rows, width=call.width, shorten=(0, 1, 4)))
    else:
        how = call.cmd(f"hostctl certs:add CRT KEY -a {app}")
        call.say(f"{call.error_style.app(app)} has no certificates. Add one: {how}")
    if not call.flag("json"):
        for each in found:
            if text := _ending(each, now):
                call.warn(f"{each['name']} {text}: hostctl certs:update CRT KEY --name {each['name']} -a {app}")


@command(
    "certs:info",
    "[NAME]",
    options=(NAME, *FOR_APP, JSON),
    examples=("hostctl certs:info -a hello", "hostctl certs:info gentle-mesa-5445 -a hello --json"),
)
def info(call: Call) -> None:
    """Show a certificate. Its private key is never shown."""
    found = _chosen(call, call.word)
    if call.flag("json"):
        call.print_json(found)
        return
    call.print(call.style.heading(f"Certificate {found['name']}"), "", *_details(call, found))


@command(
    "certs:add",
    "[FILE...]",
    options=(LABEL, *FOR_APP, JSON),
    examples=(
        "hostctl certs:add server.crt server.key -a hello",
        "hostctl certs:add server.crt intermediate.crt server.key -a hello",
        "cat server.crt server.key | ssh git@HOST certs:add - -a hello",
    ),
)
def add(call: Call) -> None:
    """Give an app a certificate with its private key.

    The files may come in any order, and hold what they like: of all certificates in them that of the key is taken,
    and the chain above it put in order. A missing intermediate certificate is told. Without a file, or with -,
    standard input is read, which is the only way over ssh. Add the domain to the app before or after: a certificate
    serves only names of its own app.
    """
    app, (chain, key) = call.app, _material(call, call.words)
    body = {"certificate_chain": chain, "private_key": key}
    if label := call.text("display-name"):
        body["display_name"] = label
    with call.action(f"Adding SSL certificate to {call.error_style.app(app)}") as action:
        made = call.client.request("POST", path("apps", app, "sni-endpoints"), body).data
        action.done = made["name"]
    _show_new(call, made)


@command(
    "certs:update",
    "[FILE...]",
    options=(NAME, LABEL, *FOR_APP, JSON),
    examples=(
        "hostctl certs:update server.crt server.key -a hello",
        "hostctl certs:update renewed.crt --name gentle-mesa-5445 -a hello",
        "cat renewed.crt | ssh git@HOST certs:update - -a hello",
    ),
)
def update(call: Call) -> None:
    """Put another certificate in the place of one, as when it is renewed.

    A certificate for the same key needs no key. Connections that are open go on with the old one.
    """
    app, found, (chain, key) = call.app, _chosen(call), _material(call, call.words)
    body = {"certificate_chain": chain, **({"private_key": key} if key else {})}
    if label := call.text("display-name"):
        body["display_name"] = label
    with call.action(f"Updating SSL certificate {found['name']} of {call.error_style.app(app)}"):
        made = call.client.request("PATCH", path("apps", app, "sni-endpoints", found["id"]), body).data
    _show_new(call, made)


@command(
    "certs:remove",
    "[NAME]",
    options=(NAME, CONFIRM, *FOR_APP),
    answers=True,
    examples=("hostctl certs:remove gentle-mesa-5445 -a hello --confirm hello",),
)
def remove(call: Call) -> None:
    """Remove a certificate and its private key.

    The names that it served get another certificate of the app that is good for them, else the platform's own.
    """
    app, found = call.app, _chosen(call, call.word)
    serves = ", ".join(found["extended"]["serves"]) or "no name"
    call.confirm(app, f"This removes the certificate {found['name']} of {app}, which serves {serves}, and its key.")
    with call.action(f"Removing SSL certificate {found['name']} from {call.error_style.app(app)}"):
        call.client.request("DELETE", path("apps", app, "sni-endpoints", found["id"]))


@command(
    "domains:update",
    "HOSTNAME",
    options=(Option("cert", None, "the certificate, as certs lists it", "NAME"), *FOR_APP),
    answers=True,
    examples=("hostctl domains:update www.example.com --cert gentle-mesa-5445 -a hello",),
)
def choose(call: Call) -> None:
    """Choose the certificate with which a domain is served, of several that are good for it.

    For its other domains too the app then takes this certificate before others. The next one that is added
    or updated comes before it again.
    """
    app, hostname, name = call.app, call.words[0], call.text("cert")
    if not name:
        raise Usage(f"Which? Say --cert NAME, as certs lists them: hostctl certs -a {app}")
    with call.action(f"Serving {printable(hostname)} of {call.error_style.app(app)} with {printable(name)}"):
        call.client.request("PATCH", path("apps", app, "domains", hostname), {"sni_endpoint": name})


def _chosen(call: Call, word: str | None = None) -> dict[str, Any]:
    """The certificate that is meant: the named one, or the app's only one. Raises Refused and Usage."""
    named = call.text("name")
    if word and named and word != named:
        raise Usage(f"Which: {word} or {named}?")
    if name := word or named:
        found: dict[str, Any] = call.client.get(path("apps", call.app, "sni-endpoints", name))
        return found
    known: list[dict[str, Any]] = call.client.get(path("apps", call.app, "sni-endpoints"))
    if not known:
        raise Refused(f"{call.app} has no certificates. Add one: hostctl certs:add CRT KEY -a {call.app}")
    if len(known) > 1:
        raise Usage(f"Which? Say --name with one of: {', '.join(each['name'] for each in known)}.")
    return known[0]


def _material(call: Call, files: Sequence[str]) -> tuple[str, str]:
    """All certificates, and all private keys, of the files or of standard input. Raises Refused and Usage."""
    if call.around.over_ssh and any(file != "-" for file in files):
        # A file would be one of the server's.
        raise Usage("Give certificate and key on standard input: cat server.crt server.key | ssh git@HOST certs:add -")
    if not files and not call.around.over_ssh and call.around.stdin.isatty():
        raise Usage("Which files? Say certs:add server.crt server.key")
    text = "\n".join(_read(call, file) for file in files or ("-",))
    keys = "\n".join(found[0] for found in _KEY.finditer(text))
    return _KEY.sub("", text), keys


def _read(call: Call, file: str) -> str:
    if file == "-":
        data = call.around.stdin.buffer.read(LARGEST + 1)
    else:
        place = Path(file).expanduser()
        try:
            if not stat.S_ISREG(place.stat().st_mode):
                raise Refused(f"{file} is not a file.")
            with place.open("rb") as opened:
                data = opened.read(LARGEST + 1)
        except OSError as error:
            raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST:
        raise Refused(f"{'Standard input' if file == '-' else file} is too large to be a certificate or a key.")
    # Not every file is text, and what it is instead is for hostd to say.
    return data.decode("latin-1")


def _show_new(call: Call, made: dict[str, Any]) -> None:
    if call.flag("json"):
        call.print_json(made)
        return
    call.print("Certificate details:", *_details(call, made))


def _details(call: Call, found: dict[str, Any]) -> list[str]:
    certificate, now = found["ssl_cert"], call.around.clock()
    ends = _ending(found, now)
    shown = {
        "Common Name(s)": ", ".join(certificate["cert_domains"]),
        "Display Name": printable(found["display_name"] or ""),
        "Expires At": utc(certificate["expires_at"]) + (f"  ({ends})" if ends else ""),
        "Issuer": printable(certificate["issuer"]),
        "Starts At": utc(certificate["starts_at"]),
        "Subject": printable(certificate["subject"]),
        "Key": found["extended"]["key"],
        "Certificates": found["extended"]["chain_length"],
        "Fingerprint": f"SHA-256 {found['extended']['fingerprint']}",
        "Trusted": _trusted(certificate),
        "Renewal": "by itself: hostctl certs:auto" if certificate.get("acm") else "",
        "Serves": ", ".join(found["extended"]["serves"]) or "none of the app's names",
    }
    return pairs({key: value for key, value in shown.items() if value}, call.style)


def _row(found: dict[str, Any], now: float, style: Style) -> tuple[str, ...]:
    certificate = found["ssl_cert"]
    left = seconds(certificate["expires_at"]) - now
    expires = certificate["expires_at"][:10]
    return (
        printable(found["display_name"] or found["name"]),
        cut(", ".join(certificate["cert_domains"]), 60),
        style.paint(expires, RED if left <= 0 else YELLOW) if left <= WARN_SECONDS else expires,
        _trusted(certificate),
        cut(", ".join(found["extended"]["serves"]), 60) or "-",
    )


def _trusted(certificate: dict[str, Any]) -> str:
    if certificate["ca_signed?"]:
        return "True"
    return "False (self-signed)" if certificate["self_signed?"] else "False"


def _ending(found: dict[str, Any], now: float) -> str:
    """`expires in 12 days`, for those that end soon and are not renewed by themselves."""
    left = seconds(found["ssl_cert"]["expires_at"]) - now
    if left <= 0:
        return "has expired"
    if left > WARN_SECONDS or found["ssl_cert"].get("acm"):
        return ""
    days = int(left // 86400)
    return f"expires in {days} day{'s' * (days > 1)}" if days else "expires within a day"
