"""cache, cache:purge."""

from __future__ import annotations

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, command
from hostd.cli.slugs import on_disk


@command(
    "cache",
    options=(*FOR_APP, JSON),
    examples=("hostctl cache -a hello",),
)
def cache(call: Call) -> None:
    """Show what an app's build cache takes on disk.

    Buildpacks keep there what the next build can use again, such as downloaded packages.
    """
    app = call.app
    found = call.client.get(path("hostd", "apps", app, "cache"))
    if call.flag("json"):
        call.print_json(found)
    elif found["usage"] is None:
        call.say(f"{call.error_style.app(app)} has no build cache.")
    else:
        call.print(on_disk(found["usage"]))


@command(
    "cache:purge",
    options=FOR_APP,
    answers=True,
    examples=("hostctl cache:purge -a hello",),
)
def purge(call: Call) -> None:
    """Throw an app's build cache away.

    The next build begins with an empty one, and takes longer. What runs is not touched.
    """
    app = call.app
    with call.action(f"Purging the build cache of {call.error_style.app(app)}") as action:
        purged = call.client.request("DELETE", path("hostd", "apps", app, "cache")).data["purged"]
        action.done = "" if purged else "there was none"
