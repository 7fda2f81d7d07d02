"""releases, releases:info, releases:output, releases:rollback (rollback), releases:retry, releases:verify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, SHELL, Option, Refused, command
from hostd.cli.output import Style, columns, moment, pairs, printable, shell
from hostd.cli.waiting import WAITING, is_wanted, wait_until_up

SHOWN = 15
MOST = 10_000
HOST = "host"
LONGEST_COMMAND = 86_400.0
"""Seconds for which a release command is waited for: the server ends it before."""


@command(
    "releases",
    options=(*FOR_APP, Option("num", "n", f"how many (default: {SHOWN})", "NUMBER"), JSON),
    examples=("hostctl releases -a hello", "hostctl releases -n 50 -a hello", "hostctl releases -a hello --json"),
)
def releases(call: Call) -> None:
    """List an app's releases: what changed, who did it, when."""
    app, count = call.app, call.number("num", SHOWN, 1, MOST)
    found = _newest(call, app, count)
    if call.flag("json"):
        call.print_json(found)
        return
    if not found:
        call.say(f"{call.error_style.app(app)} has no releases.")
        return
    heading = f"{call.style.app(app)} Releases - {call.style.paint(f'Current: v{_current(found)}', 34)}"
    call.print(call.style.heading(heading), "", *_table(found, call.around.clock(), call.style, call.width))


@command(
    "releases:info",
    "[RELEASE]",
    options=(*FOR_APP, SHELL, JSON),
    examples=(
        "hostctl releases:info -a hello",
        "hostctl releases:info v3 -a hello",
        "hostctl releases:info v3 --shell -a hello",
    ),
)
def info(call: Call) -> None:
    """Show one release with its config vars.

    Without a RELEASE (v3, or 3): the current one.
    """
    app = call.app
    release = call.client.get(path("apps", app, "releases", call.word or "current"))
    version = release["version"]
    config = dict(sorted(call.client.get(path("apps", app, "releases", version, "config-vars")).items()))
    if call.flag("json"):
        call.print_json({"release": release, "config": config})
    elif call.flag("shell"):
        call.print(*shell(config))
    else:
        shown = {
            "By": release["user"]["email"],
            "Change": printable(release["description"]),
            "Eligible for Rollback?": "Yes" if release["eligible_for_rollback"] else "No",
            **({"Stack": release["stack"]} if release.get("stack") else {}),
            "Status": release["status"],
            "When": moment(release["created_at"], call.around.clock()),
        }
        call.print(call.style.heading(f"Release v{version}"), "", *pairs(shown, call.style), "")
        call.print(call.style.heading(f"v{version} Config vars"), "", *pairs(config, call.style))


@command(
    "releases:output",
    "[RELEASE]",
    options=FOR_APP,
    examples=("hostctl releases:output -a hello", "hostctl releases:output v3 -a hello"),
)
def output(call: Call) -> None:
    """Print what the release command of a release wrote.

    The release command is the process type `release` of the Procfile. Without a RELEASE: the current one.
    """
    from hostd.errors import NotFound

    app = call.app
    release = call.client.get(path("apps", app, "releases", call.word or "current"))
    try:
        answer = call.client.request("GET", path("apps", app, "releases", release["version"], "output"))
    except NotFound as error:
        raise Refused(error.message) from error
    call.write(str(answer.data or "").encode())


@command(
    "releases:rollback",
    "[RELEASE]",
    options=(*WAITING, *FOR_APP),
    answers=True,
    examples=("hostctl rollback -a hello", "hostctl rollback v73 -a hello", "hostctl rollback --wait -a hello"),
)
def rollback(call: Call) -> None:
    """Go back to an older release.

    Makes a new release that is a copy of an older one: its code and its config vars. Without a RELEASE:
    the last one before the current that can run. Nothing is erased: roll back again to undo it.
    """
    app, waits = call.app, is_wanted(call)
    current = call.client.get(path("apps", app, "releases", "current"))
    if call.word:
        target = call.client.get(path("apps", app, "releases", call.word))
    else:
        target = _before(_newest(call, app, MOST), current["version"])
    with call.action(f"Rolling back {call.error_style.app(app)} to v{target['version']}") as action:
        action.release(call.client.request("POST", path("apps", app, "releases"), {"release": target["id"]}))
    if waits:
        wait_until_up(call, app)
    call.warn(
        "Warning: Rollback affects code and config vars; it doesn't add or remove addons.\n"
        f"To undo, run: hostctl rollback v{current['version']}"
    )


@command("releases:retry", options=FOR_APP, answers=True, examples=("hostctl releases:retry -a hello",))
def retry(call: Call) -> None:
    """Run the release command of the current release once more, and release its code again if that succeeds.

    The release command is the process type `release` of the Procfile; an app without one has nothing to retry.
    """
    app = call.app
    current = call.client.get(path("apps", app, "releases", "current"))
    types = {each["type"] for each in call.client.get(path("apps", app, "formation"))}
    if current["slug"] is None or "release" not in types:
        raise Refused(f"{app} has no release command: its Procfile has no process type `release`.")
    body = {"slug": current["slug"]["id"], "description": f"Retry of v{current['version']}: {current['description']}"}
    target = path("apps", app, "releases")
    with call.action(f"Retrying v{current['version']} on {call.error_style.app(app)}") as action:
        answer = call.client.request("POST", target, body, seconds=LONGEST_COMMAND)
        action.release(answer)
    said = call.client.request("GET", path("apps", app, "releases", answer.data["version"], "output"))
    call.write(str(said.data or "").encode())


@command(
    "releases:verify",
    options=(JSON,),
    examples=("hostctl releases:verify",),
)
def verify(call: Call) -> int:
    """Prove that no release of any app was changed after it was made.

    Follows the hash chain through the whole ledger. For admins. Exit status 1 if a link is broken.
    """
    with call.action("Verifying the release ledger") as action:
        found = call.client.get(path("hostd", "releases", "verify"))
        action.done = "every release is as it was made" if found["ok"] else ""
        action.ended = "done" if found["ok"] else "failed"
    if call.flag("json"):
        call.print_json(found)
    else:
        call.print(*map(printable, found["problems"]))
    return 0 if found["ok"] else 1


def _newest(call: Call, app: str, count: int) -> list[dict[str, Any]]:
    """The app's newest releases, newest first, whatever part and order the API answers with."""
    wanted = {"Range": f"version ..; max={count}, order=desc"}
    found: list[dict[str, Any]] = call.client.get(path("apps", app, "releases"), headers=wanted)
    return sorted(found, key=lambda release: -int(release["version"]))[:count]


def _current(found: Sequence[dict[str, Any]]) -> int:
    return next((int(release["version"]) for release in found if release.get("current")), int(found[0]["version"]))


def _before(found: Sequence[dict[str, Any]], current: int) -> dict[str, Any]:
    """The newest release before the current one that can run."""
    for release in found:
        if release["version"] < current and release["eligible_for_rollback"]:
            return release
    raise Refused("There is no older release that could run: nothing to go back to.")


def _table(found: Sequence[dict[str, Any]], now: float, style: Style, width: int) -> list[str]:
    # What everything runs on that was never given another stack needs no column.
    shows_stack = any(not (release.get("stack") or HOST).startswith(HOST) for release in found)
    rows = (
        (
            style.paint(f"v{release['version']}", 31 if release["status"] == "failed" else 33),
            printable(release["description"]) + _remark(release["status"], style),
            style.paint(release["user"]["email"], 35),
            moment(release["created_at"], now),
            *([release.get("stack") or ""] if shows_stack else []),
        )
        for release in found
    )
    return columns(rows, width=width, shorten=(1, 2))


def _remark(status: str, style: Style) -> str:
    words = {"pending": "release command executing", "failed": "release command failed", "expired": "release expired"}
    return f" ({style.state(words[status])})" if status in words else ""
