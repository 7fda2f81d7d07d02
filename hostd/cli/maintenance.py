"""maintenance, maintenance:on, maintenance:off."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, command


@command("maintenance", options=(*FOR_APP, JSON), examples=("hostctl maintenance -a hello",))
def maintenance(call: Call) -> None:
    """Say whether an app is in maintenance mode.

    In maintenance mode visitors get a page that says so, with status 503, and the app gets no request. Its dynos run
    on. The page is yours if the config var MAINTENANCE_PAGE_URL says where it is.
    """
    on = call.client.get(path("apps", call.app))["maintenance"]
    if call.flag("json"):
        call.print_json({"maintenance": on})
    else:
        call.print("on" if on else "off")


@command("maintenance:on", options=FOR_APP, answers=True, examples=("hostctl maintenance:on -a hello",))
def on(call: Call) -> None:
    """Show visitors a maintenance page in place of the app."""
    _switch(call, True)


@command("maintenance:off", options=FOR_APP, answers=True, examples=("hostctl maintenance:off -a hello",))
def off(call: Call) -> None:
    """Let the app answer again."""
    _switch(call, False)


def _switch(call: Call, on: bool) -> None:
    app = call.app
    with call.action(f"{'Enabling' if on else 'Disabling'} maintenance mode for {call.error_style.app(app)}"):
        call.client.request("PATCH", path("apps", app), {"maintenance": on})
