"""domains, domains:add, domains:remove, domains:clear, domains:info, domains:wait."""

from __future__ import annotations

import shlex
import threading
import time
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, command
from hostd.cli.duration import seconds_of, written
from hostd.cli.output import columns, moment, pairs, printable
from hostd.cli.picking import PICKING, picked

TIMEOUT = Option("timeout", None, "give up after so long: 90s, 10m, 24h (default: 1h)", "TIME")
WAIT = Option("wait", None, "wait until it leads here, as domains:wait does")
ASK_AGAIN_SECONDS = 3.0
"""How long the DNS is left alone between two questions."""
MOST_NAMED = 5
"""How many domains are told by their names where there may be many."""
_NEVER = threading.Event()


@command(
    "domains",
    options=(*PICKING, *FOR_APP, JSON),
    examples=("hostctl domains -a hello", "hostctl domains --json -a hello", "hostctl domains --csv -x -a hello"),
)
def domains(call: Call) -> None:
    """List the names under which an app answers.

    Its built-in name, then its domains, with the record that each should have in the DNS, and where it leads now. A
    domain that does not lead here is no error of hostd's: the app answers to it as soon as the DNS says so.
    --extended adds the certificate, and how far one is that comes by itself. With --csv there is nothing but the table.
    """
    app = call.app
    found = call.client.get(path("apps", app, "domains", check=1))
    if call.flag("json"):
        call.print_json(found)
        return
    own = [domain for domain in found if domain["kind"] == "custom"]
    if call.flag("csv"):
        call.print(*_table(call, own))
        return
    built_in = [domain["hostname"] for domain in found if domain["kind"] != "custom"]
    call.print(call.style.heading(f"{app} Built-in Domain"), "", *built_in, "")
    if own:
        call.print(call.style.heading(f"{app} Custom Domains"), "", *_table(call, own), "")
    else:
        call.say(f"{call.error_style.app(app)} has no domains of its own. Add one: hostctl domains:add www.example.com")


@command(
    "domains:add",
    "HOSTNAME",
    options=(
        Option("cert", "c", "the certificate to serve it with, as certs lists it", "NAME"),
        WAIT,
        TIMEOUT,
        *FOR_APP,
        JSON,
    ),
    examples=(
        "hostctl domains:add www.example.com -a hello",
        "hostctl domains:add '*.example.com' -a hello",
        "hostctl domains:add b\u00fccher.example --wait -a hello",
    ),
)
def add(call: Call) -> None:
    """Give an app a domain.

    It answers to the name at once; which record leads the name here is printed. A wildcard stands for all names one
    label below it; a domain added by itself comes before a wildcard. A domain belongs to one app. Below somebody else's
    wildcard only its owner can add names to other apps, and only who owns all apps below a wildcard can add it.
    """
    app, hostname = call.app, call.words[0]
    body = {"hostname": hostname} | ({"sni_endpoint": cert} if (cert := call.text("cert")) else {})
    with call.action(f"Adding {printable(hostname)} to {call.error_style.app(app)}"):
        made = call.client.request("POST", path("apps", app, "domains"), body).data
    shown = call.client.get(path("apps", app, "domains", made["id"]))
    if call.flag("json"):
        call.print_json(shown)
    else:
        _tell(call, shown)
    if call.flag("wait"):
        _wait(call, app, [shown])


@command(
    "domains:remove",
    "HOSTNAME",
    options=FOR_APP,
    answers=True,
    examples=("hostctl domains:remove www.example.com -a hello",),
)
def remove(call: Call) -> None:
    """Take a domain from an app. The app answers to it no more, and any app may have it."""
    app, hostname = call.app, call.words[0]
    with call.action(f"Removing {printable(hostname)} from {call.error_style.app(app)}"):
        call.client.request("DELETE", path("apps", app, "domains", hostname))


@command("domains:clear", options=FOR_APP, answers=True, examples=("hostctl domains:clear -a hello",))
def clear(call: Call) -> None:
    """Take all domains from an app. Its built-in name stays."""
    app = call.app
    with call.action(f"Removing all domains from {call.error_style.app(app)}") as action:
        gone = call.client.request("DELETE", path("apps", app, "domains")).data
        names = ", ".join(map(_shown, gone)) or "there were none"
        action.done = names if len(gone) <= MOST_NAMED else f"{len(gone)} domains"


@command(
    "domains:info",
    "HOSTNAME",
    options=(*FOR_APP, JSON),
    examples=("hostctl domains:info www.example.com -a hello",),
)
def info(call: Call) -> None:
    """Show a domain: what it should lead to, and where it leads now."""
    found = call.client.get(path("apps", call.app, "domains", call.words[0]))
    if call.flag("json"):
        call.print_json(found)
        return
    dns = found["extended"]["dns"] or {"records": [], "addresses": [], "aliases": [], "message": "It is built in."}
    known = {
        "App": found["app"]["name"],
        "Hostname": found["hostname"],
        "Kind": "custom" if found["kind"] == "custom" else "built in",
        "Unicode": printable(found["extended"]["unicode"]) if found["extended"]["unicode"] != found["hostname"] else "",
        "Added": moment(found["created_at"], call.around.clock()),
        "Records": ", ".join(" ".join(_record(record)) for record in dns["records"]),
        "Alias of": ", ".join(dns["aliases"]),
        "Addresses": ", ".join(dns["addresses"]),
        "DNS": printable(dns["message"]),
        "Status": found["status"],
    }
    call.print(*pairs({key: value for key, value in known.items() if value}, call.style))


@command(
    "domains:wait",
    "[HOSTNAME]",
    options=(TIMEOUT, *FOR_APP),
    examples=("hostctl domains:wait www.example.com -a hello", "hostctl domains:wait --timeout 10m -a hello"),
)
def wait(call: Call) -> None:
    """Wait until a domain leads here, or all of an app.

    What the DNS says meanwhile is told on stderr. Exit status 1 if it does not lead here after --timeout.
    """
    app = call.app
    if call.word:
        waiting = [call.client.get(path("apps", app, "domains", call.word))]
    else:
        waiting = [domain for domain in call.client.get(path("apps", app, "domains")) if domain["kind"] == "custom"]
    _wait(call, app, waiting)


def _wait(call: Call, app: str, waiting: list[dict[str, Any]]) -> None:
    """Ask again and again, telling each time what has changed. Raises Refused at the deadline."""
    limit = seconds_of(call.text("timeout") or "1h")
    deadline, said = time.monotonic() + limit, dict[str, str]()
    while True:
        waiting = [call.client.get(path("apps", app, "domains", domain["id"])) for domain in waiting]
        for domain in waiting:
            message = _message(domain)
            if said.get(domain["id"]) != message:
                said[domain["id"]] = message
                call.say(message)
        waiting = [domain for domain in waiting if domain["status"] != "succeeded"]
        left = deadline - time.monotonic()
        if not waiting:
            return
        if left <= 0:
            names = ", ".join(_shown(domain) for domain in waiting)
            raise Refused(f"After {written(limit)} the DNS does not lead here: {names}.")
        _NEVER.wait(min(ASK_AGAIN_SECONDS, left))


def _tell(call: Call, domain: dict[str, Any]) -> None:
    """What is to be done for the name to lead here: the records on stdout, what is said of them on stderr."""
    dns = domain["extended"]["dns"]
    call.say(_message(domain))
    if domain["status"] == "succeeded":
        return
    if dns["records"]:
        what = "these records" if len(dns["records"]) > 1 else "this record"
        if dns["records"][0]["type"] == "ALIAS":
            what = "the ALIAS (ANAME) or the other records"
        call.say(f"Make {what} where the name's DNS is kept:")
        call.print(*columns(_record(record) for record in dns["records"]))
    if not call.flag("wait"):
        waiting = call.cmd(f"hostctl domains:wait {shlex.quote(domain['hostname'])} -a {domain['app']['name']}")
        call.say(f"To wait until it leads here: {waiting}")


def _message(domain: dict[str, Any]) -> str:
    dns = domain["extended"]["dns"]
    return printable(dns["message"]) if dns else f"{domain['hostname']} is built in."


def _table(call: Call, own: list[dict[str, Any]]) -> list[str]:
    head, rows = ["Domain Name", "DNS Record Type", "DNS Target", "Leads"], [list(_row(domain)) for domain in own]
    if call.flag("extended"):
        head += ["SNI Endpoint", "ACM Status"]
        for row, domain in zip(rows, own, strict=True):
            row += [(domain.get("sni_endpoint") or {}).get("name") or "", domain.get("acm_status") or ""]
    return picked(call, head, rows, shorten=(0, 2, 3))


def _row(domain: dict[str, Any]) -> tuple[str, str, str, str]:
    dns = domain["extended"]["dns"]
    if dns is None:
        return _shown(domain), "", domain["cname"], "not known: the DNS takes too long"
    kinds = " or ".join(dict.fromkeys(record["type"] for record in dns["records"]))
    elsewhere = f"to {', '.join(dns['addresses'])}"
    leads = {"here": "here", "nowhere": "nowhere yet", "elsewhere": elsewhere}.get(dns["leads"], "not known: no answer")
    return _shown(domain), kinds, dns["records"][0]["value"] if dns["records"] else domain["cname"], leads


def _record(record: dict[str, str]) -> tuple[str, str, str]:
    return record["type"], record["name"], record["value"]


def _shown(domain: dict[str, Any]) -> str:
    """The name as people write it, and as the DNS has it."""
    hostname, written_ = domain["hostname"], domain["extended"]["unicode"]
    return hostname if written_ == hostname else f"{printable(written_)} ({hostname})"
