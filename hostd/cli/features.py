"""features, features:info, features:enable, features:disable."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, command
from hostd.cli.output import columns, pairs


@command("features", options=(*FOR_APP, JSON), examples=("hostctl features -a hello", "hostctl features -j -a hello"))
def features(call: Call) -> None:
    """List what can be switched on for an app, and what is."""
    app = call.app
    found = call.client.get(path("apps", app, "features"))
    if call.flag("json"):
        call.print_json(found)
        return
    rows = [(f"[{'+' if each['enabled'] else ' '}] {each['name']}", each["description"]) for each in found]
    call.print(call.style.heading(f"App Features {call.style.app(app)}"), "", *columns(rows))


@command(
    "features:info",
    "FEATURE",
    options=(*FOR_APP, JSON),
    examples=("hostctl features:info session-affinity -a hello",),
)
def info(call: Call) -> None:
    """Explain a feature, and say whether an app has it."""
    found = call.client.get(path("apps", call.app, "features", call.words[0]))
    if call.flag("json"):
        call.print_json(found)
        return
    shown = {"Description": found["description"], "Enabled": str(found["enabled"]).lower()}
    call.print(call.style.heading(found["name"]), "", *pairs(shown, call.style))


@command("features:enable", "FEATURE", options=FOR_APP, examples=("hostctl features:enable session-affinity -a hello",))
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
    examples=("hostctl features:disable session-affinity -a hello",),
)
def disable(call: Call) -> None:
    """Switch a feature off."""
    _switch(call, False)


def _switch(call: Call, on: bool) -> None:
    app, name = call.app, call.words[0]
    with call.action(f"{'Enabling' if on else 'Disabling'} {name} for {call.error_style.app(app)}"):
        call.client.request("PATCH", path("apps", app, "features", name), {"enabled": on})
