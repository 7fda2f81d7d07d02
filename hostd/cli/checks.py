"""checks, checks:set, checks:unset."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Usage, command
from hostd.cli.output import columns, printable

WEB = "web"


@command("checks", options=(*FOR_APP, JSON), examples=("hostctl checks -a hello",))
def checks(call: Call) -> None:
    """Show an app's health check.

    A web dyno counts as up when it listens on $PORT; with a check, when it also answers a GET of the path with a
    status of 200 to 399. Only then does it get requests, and only then are the dynos of the release before it stopped.
    One that does not within the boot timeout (60 seconds) is stopped, with R10 and what it answered in the log.
    A check also comes with the app, in its app.json: {"healthchecks": {"web": [{"path": "/health"}]}}
    """
    app = call.app
    found = call.client.get(path("hostd", "apps", app, "checks"))
    if call.flag("json"):
        call.print_json(found)
    elif found:
        call.print(*columns((check["type"], printable(check["path"]), f"({check['source']})") for check in found))
    else:
        call.say(f"{call.error_style.app(app)} has no health check: a web dyno is up when it listens on $PORT.")


@command(
    "checks:set",
    "[web]",
    "PATH",
    options=FOR_APP,
    answers=True,
    examples=("hostctl checks:set web /health -a hello", "hostctl checks:set '/health?deep=1' -a hello"),
)
def set_(call: Call) -> None:
    """Ask web dynos for a path before they get requests.

    It counts from the next start of each dyno on, in place of what app.json says; dynos that are up are not asked.
    """
    app, (type_, asked) = call.app, _type_and_path(call.words)
    with call.action(f"Setting the health check of {type_} dynos on {call.error_style.app(app)}") as action:
        call.client.request("PUT", path("hostd", "apps", app, "checks", type_), {"path": asked})
        action.done = f"GET {asked}"


@command("checks:unset", "[web]", options=FOR_APP, answers=True, examples=("hostctl checks:unset web -a hello",))
def unset(call: Call) -> None:
    """Forget a health check that was set. One in app.json counts again."""
    app, type_ = call.app, call.word or WEB
    with call.action(f"Unsetting the health check of {type_} dynos on {call.error_style.app(app)}") as action:
        left = call.client.request("DELETE", path("hostd", "apps", app, "checks", type_)).data
        action.done = ", ".join(f"GET {check['path']} of {check['source']} counts again" for check in left)


def _type_and_path(words: list[str]) -> tuple[str, str]:
    type_, asked = (words[0], words[1]) if len(words) > 1 else (WEB, words[0])
    if asked.startswith("/"):
        return type_, asked
    raise Usage(f"Which path? {asked!r} does not begin with /. For example: checks:set web /health")
