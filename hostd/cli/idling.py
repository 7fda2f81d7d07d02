"""ps:idle: whether an app sleeps while nobody asks for it."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Usage, command
from hostd.cli.duration import seconds_of, written
from hostd.cli.output import age, seconds


@command(
    "ps:idle",
    options=(
        *FOR_APP,
        Option("after", None, "let it sleep after this time without a request: 30m, 2h", "TIME"),
        Option("off", None, "let it never sleep, and wake it"),
        JSON,
    ),
    examples=("hostctl ps:idle -a hello", "hostctl ps:idle --after 30m -a hello", "hostctl ps:idle --off -a hello"),
)
def idle(call: Call) -> None:
    """Show or set after how long without a request an app sleeps.

    While it sleeps its web dynos are stopped, and ps shows them as idle. The first request wakes it and waits until it
    is up. A WebSocket that is open counts as a request. Other dynos run on. Off for a new app.
    """
    app, after = call.app, call.text("after")
    target = path("hostd", "apps", app, "idle")
    if after and call.flag("off"):
        raise Usage("Which: --after or --off?")
    if after or call.flag("off"):
        time = seconds_of(after) if after else None
        doing = "never sleep" if time is None else f"sleep after {written(time)}"
        with call.action(f"Letting {call.error_style.app(app)} {doing}"):
            call.client.request("PATCH", target, {"after": time})
        return
    found = call.client.get(target)
    if call.flag("json"):
        call.print_json(found)
    elif found["after"] is None:
        call.print("off")
    else:
        asleep = found["asleep_since"]
        now = f"asleep for {age(call.around.clock() - seconds(asleep))}" if asleep else "awake"
        call.print(f"after {written(found['after'])} without a request; {now}")
