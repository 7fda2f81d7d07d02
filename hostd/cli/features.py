"""features, features:info, features:enable, features:disable; and the same as labs, for what Heroku has there."""

from __future__ import annotations

from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, command
from hostd.cli.output import columns, pairs

_GENERAL = "general"


@command("features", options=(*FOR_APP, JSON), examples=("hostctl features -a hello", "hostctl features -j -a hello"))
def features(call: Call) -> None:
    """List what can be switched on for an app, and what is."""
    _list(call, "App Features", general=True)


@command("labs", options=(*FOR_APP, JSON), examples=("hostctl labs", "hostctl labs -a hello"))
def labs(call: Call) -> None:
    """List the lab features of an app, such as log-runtime-metrics, and which of them are on.

    Where nothing says which app is meant: those of your account, of which there are none.
    """
    if call.app_if_any is None:
        _print(call, "User Features", call.client.get(path("account", "features")))
    else:
        _list(call, "App Features", general=False)


@command(
    "features:info",
    "FEATURE",
    options=(*FOR_APP, JSON),
    examples=("hostctl features:info session-affinity -a hello",),
)
def info(call: Call) -> None:
    """Explain a feature, and say whether an app has it."""
    _explain(call)


@command("labs:info", "FEATURE", options=(*FOR_APP, JSON), examples=("hostctl labs:info log-runtime-metrics -a hello",))
def labs_info(call: Call) -> None:
    """Explain a lab feature, and say whether an app has it."""
    _explain(call)


@command(
    "features:enable",
    "FEATURE",
    options=FOR_APP,
    answers=True,
    examples=("hostctl features:enable session-affinity -a hello",),
)
def enable(call: Call) -> None:
    """Switch a feature on.

    session-affinity: a browser's requests go to the same web dyno, as long as that is there. The router gives the
    browser a cookie for it, heroku-session-affinity. For apps that keep sessions in the memory of a dyno.
    """
    _switch(call, True)


@command(
    "features:disable",
    "FEATURE",
    options=FOR_APP,
    answers=True,
    examples=("hostctl features:disable session-affinity -a hello",),
)
def disable(call: Call) -> None:
    """Switch a feature off."""
    _switch(call, False)


def _switch(call: Call, on: bool) -> None:
    app, name = call.app, call.words[0]
    with call.action(f"{'Enabling' if on else 'Disabling'} {name} for {call.error_style.app(app)}"):
        call.client.request("PATCH", path("apps", app, "features", name), {"enabled": on})


@command(
    "labs:enable",
    "FEATURE",
    options=FOR_APP,
    answers=True,
    examples=("hostctl labs:enable log-runtime-metrics -a hello",),
)
def labs_enable(call: Call) -> None:
    """Switch a lab feature on.

    log-runtime-metrics: every 20 seconds the app's log says of each dyno its load averages and its memory, in Heroku's
    words, for programs that read logs. At once: no dyno has to be restarted. See also metrics and ps:top, which need
    no feature.
    """
    _switch(call, True)


@command(
    "labs:disable",
    "FEATURE",
    options=FOR_APP,
    answers=True,
    examples=("hostctl labs:disable log-runtime-metrics -a hello",),
)
def labs_disable(call: Call) -> None:
    """Switch a lab feature off."""
    _switch(call, False)


def _list(call: Call, title: str, *, general: bool) -> None:
    app = call.app
    found = [
        each for each in call.client.get(path("apps", app, "features")) if (each["state"] == _GENERAL) is general
    ]
    _print(call, f"{title} {call.style.app(app)}", found)


def _print(call: Call, title: str, found: list[dict[str, Any]]) -> None:
    if call.flag("json"):
        call.print_json(found)
        return
    rows = [(f"[{'+' if each['enabled'] else ' '}] {each['name']}", each["description"]) for each in found]
    call.print(call.style.heading(title), "", *columns(rows, width=call.width, shorten=(1,)))


def _explain(call: Call) -> None:
    found = call.client.get(path("apps", call.app, "features", call.words[0]))
    if call.flag("json"):
        call.print_json(found)
        return
    shown = {"Description": found["description"], "Enabled": str(found["enabled"]).lower()}
    call.print(call.style.heading(found["name"]), "", *pairs(shown, call.style))
