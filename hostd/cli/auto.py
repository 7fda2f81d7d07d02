"""certs:auto, certs:auto:enable, certs:auto:disable, certs:auto:refresh."""

from __future__ import annotations

import threading
import time
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, command
from hostd.cli.duration import seconds_of, written
from hostd.cli.output import GREEN, RED, YELLOW, Style, age, columns, printable, seconds

WAIT = Option("wait", None, "wait until each name has its certificate, or cannot get one")
TIMEOUT = Option("timeout", None, "with --wait: give up after so long: 90s, 10m (default: 10m)", "TIME")
CONFIRM = Option("confirm", "c", "the app's name, instead of typing it when asked", "APP")
CHALLENGE = Option(
    "challenge", None, "prove names by http-01, tls-alpn-01 or dns-01 only (default: http-01, else tls-alpn-01)", "HOW"
)
FORCE = Option("force", None, "even if it was tried or got a short while ago")
ASK_AGAIN_SECONDS = 2.0
"""How often hostd is asked how it stands."""
_NEVER = threading.Event()
_SHOWN = {"ok": ("OK", GREEN), "verifying": ("Verifying", YELLOW), "failing": ("Failing", RED)}


@command("certs:auto", options=(*FOR_APP, JSON), examples=("hostctl certs:auto -a hello", "hostctl certs:auto --json"))
def auto(call: Call) -> None:
    """Show whether an app gets its certificates by itself, and how it stands with each of its domains.

    OK: it has one, which is renewed in time. Verifying: it is being got. Failing: why, and when it is tried again. A
    domain that does not lead here yet is tried as soon as it does.
    """
    found = call.client.get(path("hostd", "apps", call.app, "acm"))
    if call.flag("json"):
        call.print_json(found)
        return
    app, switched = call.app, "enabled" if found["enabled"] else "disabled"
    only = f" with {found['challenge']}" if found["challenge"] else ""
    call.print(call.style.heading(f"Automatic Certificate Management is {switched} on {app}{only}"))
    if not found["enabled"]:
        call.say(f"Let it get its certificates by itself: {call.cmd(f'hostctl certs:auto:enable -a {app}')}")
    elif not found["domains"]:
        call.say(f"It has no domains of its own. Add one: {call.cmd(f'hostctl domains:add www.example.com -a {app}')}")
    else:
        _show(call, found["domains"])


@command(
    "certs:auto:enable",
    options=(CHALLENGE, WAIT, TIMEOUT, *FOR_APP),
    answers=True,
    examples=(
        "hostctl certs:auto:enable -a hello",
        "hostctl certs:auto:enable --wait -a hello",
        "hostctl certs:auto:enable --challenge tls-alpn-01 -a hello",
    ),
)
def enable(call: Call) -> None:
    """Let an app get certificates for its domains by itself, now and for those that are added later.

    Each domain gets one of its own as soon as it leads here, and a new one when a third of its life is left. The
    server's admin must have accepted the terms of the certificate authority (Let's Encrypt, unless another one is
    set). A certificate that somebody has added with certs:add comes before an automatic one.

    The authority looks for a proof that a name is yours at port 80 (http-01), and if it does not find it there in a
    handshake at port 443 (tls-alpn-01). dns-01, with a record in the DNS, is for wildcards, and for names that lead to
    a proxy first. Enable it again to choose another.
    """
    how = call.text("challenge")
    with call.action(f"Enabling Automatic Certificate Management on {call.error_style.app(call.app)}"):
        call.client.request("POST", path("apps", call.app, "acm"), {"challenge": how} if how else {})
    _then(call)


@command(
    "certs:auto:disable",
    options=(CONFIRM, *FOR_APP),
    answers=True,
    examples=("hostctl certs:auto:disable -a hello --confirm hello",),
)
def disable(call: Call) -> None:
    """Let an app get no certificates by itself any more, and remove those that it got so.

    Its domains are then served with certificates that were added, else with the platform's own.
    """
    call.confirm(call.app, f"This removes the certificates that {call.app} got by itself.")
    with call.action(f"Disabling Automatic Certificate Management on {call.error_style.app(call.app)}"):
        call.client.request("DELETE", path("apps", call.app, "acm"))


@command(
    "certs:auto:refresh",
    "[HOSTNAME]",
    options=(FORCE, WAIT, TIMEOUT, *FOR_APP),
    answers=True,
    examples=(
        "hostctl certs:auto:refresh -a hello",
        "hostctl certs:auto:refresh www.example.com --wait -a hello",
        "hostctl certs:auto:refresh www.example.com --force -a hello",
    ),
)
def refresh(call: Call) -> None:
    """Try now what would be tried later: domains that fail, or do not lead here yet.

    For one domain, get a new certificate and key, whatever it has. As authorities make only a few for a name in a week,
    and let only a few tries fail in an hour, a certificate of today and a try of the last ten minutes stand, unless
    --force is given. What the authority does not want to be asked before a certain time is not asked before it.
    """
    body: dict[str, Any] = {"acm_refresh": True, **({"hostname": call.word} if call.word else {})}
    if call.flag("force"):
        body["force"] = True
    with call.action(f"Refreshing Automatic Certificate Management of {call.error_style.app(call.app)}"):
        call.client.request("PATCH", path("apps", call.app, "acm"), body)
    _then(call)


def _then(call: Call) -> None:
    """Wait, or say how to."""
    if call.flag("wait"):
        _wait(call)
    else:
        call.say(f"How it stands: {call.cmd(f'hostctl certs:auto -a {call.app}')}")


def _wait(call: Call) -> None:
    """Ask until nothing is under way, telling what has changed. Raises Refused if a name has no certificate then."""
    limit = seconds_of(call.text("timeout") or "10m")
    deadline, said = time.monotonic() + limit, dict[str, str]()
    while True:
        found = call.client.get(path("hostd", "apps", call.app, "acm"))["domains"]
        for domain in found:
            line = f"{domain['hostname']}: {_SHOWN[domain['status']][0]}{_because(domain)}"
            if said.get(domain["hostname"]) != line:
                said[domain["hostname"]] = line
                call.say(line)
        if all(domain["status"] == "ok" for domain in found):
            return
        if not any(domain["status"] == "verifying" for domain in found):
            failing = ", ".join(domain["hostname"] for domain in found if domain["status"] == "failing")
            raise Refused(f"No certificate for {failing}. It is tried again: hostctl certs:auto -a {call.app}")
        left = deadline - time.monotonic()
        if left <= 0:
            raise Refused(f"After {written(limit)} not all domains have one: hostctl certs:auto -a {call.app}")
        _NEVER.wait(min(ASK_AGAIN_SECONDS, left))


def _show(call: Call, domains: list[dict[str, Any]]) -> None:
    now, head = call.around.clock(), ("Domain", "Status", "Expires", "Next Try")
    call.print("", *columns([head, *(_row(domain, now, call.style) for domain in domains)]))
    for domain in domains:
        if domain["reason"]:
            call.warn(f"{domain['hostname']}: {printable(domain['reason'])}")


def _row(domain: dict[str, Any], now: float, style: Style) -> tuple[str, str, str, str]:
    word, colour = _SHOWN[domain["status"]]
    retry = f"in {age(seconds(domain['retry_at']) - now)}" if domain["retry_at"] else "-"
    return domain["hostname"], style.paint(word, colour), (domain["expires_at"] or "-")[:10], retry


def _because(domain: dict[str, Any]) -> str:
    return f", {printable(domain['reason'])}" if domain["reason"] else ""

