"""config, config:set, config:get, config:unset."""

from __future__ import annotations

from typing import cast

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, SHELL, Usage, command
from hostd.cli.output import pairs, shell


@command(
    "config",
    options=(*FOR_APP, SHELL, JSON),
    examples=("hostctl config -a hello", "hostctl config -a hello --shell > .env", "hostctl config -a hello --json"),
)
def config(call: Call) -> None:
    """List an app's config vars."""
    app = call.app
    found = dict(sorted(_config(call, app).items()))
    if call.flag("json"):
        call.print_json(found)
    elif call.flag("shell"):
        call.print(*shell(found))
    else:
        call.print(call.style.heading(f"{call.style.app(app)} Config Vars"), "", *pairs(found, call.style))


@command(
    "config:set",
    "KEY=VALUE...",
    options=FOR_APP,
    answers=True,
    examples=("hostctl config:set RACK_ENV=production -a hello", "hostctl config:set A=1 'B=two words' -a hello"),
)
def set_vars(call: Call) -> None:
    """Set config vars, in one release.

    The app is restarted with them. What is left and right of the first = is taken as it is.
    """
    app, changes = call.app, dict(map(_pair, call.words))
    with call.action(f"Setting {', '.join(changes)} and restarting {call.error_style.app(app)}") as action:
        answer = call.client.request("PATCH", path("apps", app, "config-vars"), changes)
        action.release(answer)
    call.print(*pairs({key: answer.data[key] for key in changes}, call.style))


@command(
    "config:get",
    "KEY...",
    options=(*FOR_APP, SHELL, JSON),
    examples=("hostctl config:get DATABASE_URL -a hello", "hostctl config:get A B --shell -a hello"),
)
def get(call: Call) -> int:
    """Print the value of config vars.

    The bare value, one a line, for use in scripts. Exit status 1 if a config var is not set.
    """
    found = _config(call, call.app)
    wanted = {key: found[key] for key in call.words if key in found}
    if call.flag("json"):
        call.print_json(wanted)
    elif call.flag("shell"):
        call.print(*shell(wanted))
    else:
        call.print(*(found.get(key, "") for key in call.words))
    return 0 if len(wanted) == len(set(call.words)) else 1


@command(
    "config:unset",
    "KEY...",
    options=FOR_APP,
    answers=True,
    examples=("hostctl config:unset RACK_ENV -a hello",),
)
def unset(call: Call) -> None:
    """Remove config vars, in one release.

    The app is restarted without them.
    """
    app = call.app
    with call.action(f"Unsetting {', '.join(call.words)} and restarting {call.error_style.app(app)}") as action:
        answer = call.client.request("PATCH", path("apps", app, "config-vars"), dict.fromkeys(call.words))
        action.release(answer)


def _config(call: Call, app: str) -> dict[str, str]:
    return cast(dict[str, str], call.client.get(path("apps", app, "config-vars")))


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise Usage(f"{word!r} must be in the form KEY=VALUE.")
    return key, value
