"""drains, drains:add, drains:remove, drains:info."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.output import age, columns, moment, pairs, printable, seconds

LONGEST = 4096
"""Characters of a line that holds an address."""

_SOURCE = Option("source", "s", "only lines of app, or of heroku: the platform's", "SOURCE")
_PROCESS = Option("process", "p", "only lines of a dyno, process type or component: web.1, web, router", "NAME", True)
_EXCLUDE = Option("exclude", "x", "all but the lines of a dyno, process type or component", "NAME", True)


@command(
    "drains",
    options=(*FOR_APP, JSON),
    examples=("hostctl drains -a hello", "hostctl drains --json -a hello"),
)
def drains(call: Call) -> None:
    """List where an app's log is sent on to, and how it stands with each.

    What may be secret in an address is masked: user and password, values of a query, tokens in the path.
    """
    app = call.app
    found = call.client.get(path("apps", app, "log-drains", extended="true"))
    if call.flag("json"):
        call.print_json(found)
    elif found:
        rows = [("Drain", "Token", "State"), *((_url(drain), drain["token"], _state(drain)) for drain in found)]
        call.print(call.style.heading(f"{call.style.app(app)} Drains"), "")
        call.print(*columns(rows, width=call.width, shorten=(0,)))
    else:
        add = call.cmd(f"hostctl drains:add syslog+tls://logs.example.com:6514 -a {app}")
        call.say(f"{call.error_style.app(app)} has no drains. Add one: {add}")


@command(
    "drains:add",
    "URL",
    options=(_SOURCE, _PROCESS, _EXCLUDE, *FOR_APP, JSON),
    examples=(
        "hostctl drains:add syslog+tls://logs.example.com:6514 -a hello",
        "hostctl drains:add https://logs.example.com/hello --exclude router -a hello",
        "pass show logs/url | hostctl drains:add - --source app --process web -a hello",
    ),
)
def add(call: Call) -> None:
    """Send an app's log on, from now on.

    To syslog://HOST:PORT, syslog+tls://HOST:PORT, https://HOST/PATH or http://HOST/PATH; for admins also into a file,
    file:///NAME, or to systemd-journal-remote, journal+https://HOST:PORT. With - the address is the first line of
    standard input, so that a password in it is in no list of processes.
    """
    app, url = call.app, _address(call)
    filters = {"source": call.text("source"), "processes": call.texts("process"), "excluded": call.texts("exclude")}
    with call.action(f"Adding a drain to {call.error_style.app(app)}") as action:
        made = call.client.request("POST", path("apps", app, "log-drains"), {"url": url, "filters": filters}).data
        action.done = made["token"]
    if call.flag("json"):
        call.print_json(made)
    else:
        call.print(f"Successfully added drain {_url(made)}")


@command(
    "drains:remove",
    "URL|ID|TOKEN",
    options=(*FOR_APP, JSON),
    examples=(
        "hostctl drains:remove syslog+tls://logs.example.com:6514 -a hello",
        "hostctl drains:remove d.9d9c0a2f-6b5e-4f0e-9d3c-1b7f2a8c4e51 -a hello",
    ),
)
def remove(call: Call) -> None:
    """Send an app's log there no more.

    The address may be written as the list shows it. What the drain has not taken yet is not sent.
    """
    app, name = call.app, _address(call)
    with call.action(f"Removing a drain from {call.error_style.app(app)}"):
        gone = call.client.request("DELETE", path("apps", app, "log-drains", name)).data
    if call.flag("json"):
        call.print_json(gone)
    else:
        call.print(f"Successfully removed drain {_url(gone)}")


@command(
    "drains:info",
    "URL|ID|TOKEN",
    options=(*FOR_APP, JSON),
    examples=(
        "hostctl drains:info syslog+tls://logs.example.com:6514 -a hello",
        "hostctl drains:info d.9d9c0a2f-6b5e-4f0e-9d3c-1b7f2a8c4e51 --json -a hello",
    ),
)
def info(call: Call) -> None:
    """Say how it stands with a drain: what it gets, what it took and lost, and what went wrong last."""
    app, name = call.app, _address(call)
    drain = call.client.get(path("apps", app, "log-drains", name, extended="true"))
    if call.flag("json"):
        call.print_json(drain)
        return
    now = call.around.clock()
    known = {"Token": drain["token"], "Gets": _gets(drain), "Added": moment(drain["created_at"], now)}
    known["State"] = _state(drain)
    if status := drain["extended"]["status"]:
        known["Behind"] = _behind(status, now)
        known["Delivered"] = _messages(status["delivered"])
        known["Lost"] = _messages(status["lost"])
        last, error = status["last_delivery"], status["last_error"]
        known["Last delivery"] = moment(last, now) if last else "none since the logplex started"
        known["Last error"] = f"{moment(error['at'], now)}: {printable(error['message'])}" if error else "none"
    call.print(call.style.heading(_url(drain)), *pairs(known, call.style))


def _address(call: Call) -> str:
    """The command's word, or with - a line of standard input. Raises Usage."""
    if call.words[0] != "-":
        return call.words[0]
    line = call.around.stdin.readline(LONGEST).strip()
    if not line:
        raise Usage("There is no address on standard input: pass show logs/url | hostctl drains:add -")
    return line


def _url(drain: dict[str, Any]) -> str:
    return printable(drain["url"])


def _state(drain: dict[str, Any]) -> str:
    status = drain["extended"]["status"]
    if status is None:
        return "unknown: the logplex does not answer"
    state: str = status["state"]
    return f"{state}, {status['lost']} lost" if status["lost"] else state


def _behind(status: dict[str, Any], now: float) -> str:
    oldest = status["oldest_waiting"]
    if not status["waiting"] or oldest is None:
        return "nothing waits"
    more = " and more in the journal" if status["behind"] else ""
    return f"{_messages(status['waiting'])}{more}, the oldest of {age(now - seconds(oldest))} ago"


def _messages(count: int) -> str:
    return f"{count} message{'s' * (count != 1)}"


def _gets(drain: dict[str, Any]) -> str:
    filters = drain["extended"]["filters"]
    of = {"app": "lines of the app", "heroku": "lines of the platform"}.get(filters["source"], "all lines")
    only = f" by {', '.join(filters['processes'])}" if filters["processes"] else ""
    but = f" but {', '.join(filters['excluded'])}" if filters["excluded"] else ""
    return f"{of}{only}{but}"
