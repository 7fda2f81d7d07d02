"""builds, builds:info, builds:output, builds:cancel, builds:timeout."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, command
from hostd.cli.duration import seconds_of, written
from hostd.cli.leaving import end_with_reader
from hostd.cli.output import GREEN, RED, YELLOW, Style, columns, moment, pairs, printable, seconds

SHOWN = 15
MOST = 1000
NEWEST = "current"
PIECE = 64 * 1024


@command(
    "builds",
    options=(*FOR_APP, Option("num", "n", f"how many (default: {SHOWN})", "NUMBER"), JSON),
    examples=("hostctl builds -a hello", "hostctl builds -n 50 -a hello", "hostctl builds -a hello --json"),
)
def builds(call: Call) -> None:
    """List an app's builds: how each came and what became of it."""
    app, count = call.app, call.number("num", SHOWN, 1, MOST)
    wanted = {"Range": f"started_at ..; max={count}, order=desc"}
    found: list[dict[str, Any]] = call.client.get(path("apps", app, "builds"), headers=wanted)
    if call.flag("json"):
        call.print_json(found)
    elif found:
        call.print(call.style.heading(f"{call.style.app(app)} Builds"), "")
        call.print(*_table(found, call.around.clock(), call.style, call.width))
    else:
        call.say(f"{call.error_style.app(app)} was never built. Deploy it: git push, or hostctl deploy")


@command(
    "builds:info",
    "[ID]",
    options=(*FOR_APP, JSON),
    examples=("hostctl builds:info -a hello", "hostctl builds:info 0b7f3a2c -a hello"),
)
def info(call: Call) -> None:
    """Show one build: its source, its stack, its buildpacks, what they report of it, and why it failed.

    Without an ID: the newest. The beginning of an ID is enough.
    """
    build = call.client.get(path("apps", call.app, "builds", call.word or NEWEST))
    if call.flag("json"):
        call.print_json(build)
        return
    more = build["extended"]
    ended = more["ended_at"]
    shown = {
        "Buildpacks": ", ".join(map(_pack, more["buildpacks"])),
        "By": build["user"]["email"],
        "ID": build["id"],
        "Reason": printable(more["reason"] or ""),
        "Release": f"v{more['release_version']}" if more["release_version"] else "",
        "Source": printable(more["source"]),
        "Stack": build["stack"] or "",
        "Status": _state(build),
        "Took": written(seconds(ended) - seconds(build["created_at"])) if ended else "",
        "Version": printable(build["source_blob"]["version"] or ""),
        "When": moment(build["created_at"], call.around.clock()),
    }
    call.print(call.style.heading(f"Build {build['id'][:8]}"), "")
    call.print(*pairs({key: value for key, value in shown.items() if value}, call.style))
    if report := (more["report"] or "").splitlines():
        call.print("", "Buildpacks report:", *(f"  {printable(line)}" for line in report))
    if build["status"] == "failed":
        call.say(f"What it printed: hostctl builds:output {build['id'][:8]} -a {call.app}")


@command(
    "builds:output",
    "[ID]",
    options=FOR_APP,
    examples=("hostctl builds:output -a hello", "hostctl builds:output 0b7f3a2c -a hello"),
)
def output(call: Call) -> int:
    """Print what a build prints.

    While the build runs, its output follows as it is made; Ctrl-C leaves the build alone. Without an ID: the newest.
    Exit status 1 if the build failed.
    """
    app = call.app
    build = call.client.get(path("apps", app, "builds", call.word or NEWEST))
    target = path("apps", app, "builds", build["id"])
    end_with_reader(call.around.stdout)
    try:
        with call.client.stream("GET", f"{target}/output") as response:
            while piece := response.read1(PIECE):
                call.write(piece)
    except (ConnectionError, http.client.HTTPException) as error:
        raise Refused(
            f"The connection to hostd broke. Go on with: hostctl builds:output {build['id'][:8]} -a {app}"
        ) from error
    return 1 if call.client.get(target)["status"] == "failed" else 0


@command(
    "builds:cancel",
    "[ID]",
    options=FOR_APP,
    answers=True,
    examples=("hostctl builds:cancel -a hello", "hostctl builds:cancel 0b7f3a2c -a hello"),
)
def cancel(call: Call) -> None:
    """Cancel a build that runs.

    The app stays as it is. Whoever waits for the build, such as a git push, is told. Without an ID: the newest.
    """
    app = call.app
    build = call.client.get(path("apps", app, "builds", call.word or NEWEST))
    with call.action(f"Cancelling build {build['id'][:8]} of {call.error_style.app(app)}"):
        call.client.request("DELETE", path("apps", app, "builds", build["id"]))


@command(
    "builds:timeout",
    "[TIME]",
    options=(*FOR_APP, JSON),
    examples=(
        "hostctl builds:timeout -a hello",
        "hostctl builds:timeout 30m -a hello",
        "hostctl builds:timeout default -a hello",
    ),
)
def timeout(call: Call) -> None:
    """Show or set how long an app's builds may take.

    TIME is 90s, 30m or 2h, or default for that of this server. For one deploy: hostctl deploy --build-timeout TIME.
    """
    app = call.app
    target = path("hostd", "apps", app, "build-settings")
    if call.word:
        value = None if call.word == "default" else seconds_of(call.word)
        with call.action(f"Setting the build timeout of {call.error_style.app(app)} to {call.word}"):
            call.client.request("PATCH", target, {"timeout": value})
        return
    found = call.client.get(target)
    if call.flag("json"):
        call.print_json(found)
    elif found["timeout"]:
        call.print(written(found["timeout"]))
    else:
        call.print(f"{written(found['default'])} (default)")


def _table(found: Sequence[dict[str, Any]], now: float, style: Style, width: int) -> list[str]:
    rows = (
        (
            style.paint(build["id"][:8], YELLOW),
            _painted(build, style),
            printable(_short(build["source_blob"]["version"] or "")) or "-",
            printable(build["extended"]["source"]),
            build["user"]["email"],
            moment(build["created_at"], now),
        )
        for build in found
    )
    return columns(rows, width=width, shorten=(2, 3, 4))


def _painted(build: dict[str, Any], style: Style) -> str:
    colour = {"succeeded": GREEN, "failed": RED, "pending": YELLOW}.get(build["status"], YELLOW)
    version = build["extended"]["release_version"]
    return style.paint(_state(build), colour) + (f" v{version}" if version else "")


def _state(build: dict[str, Any]) -> str:
    return "cancelled" if build["extended"]["cancelled"] else str(build["status"])


def _short(version: str) -> str:
    is_hash = len(version) in (40, 64) and not set(version) - set("0123456789abcdef")
    return version[: 7 if is_hash else 40]


def _pack(pack: dict[str, Any]) -> str:
    ref, commit = pack.get("ref"), pack.get("commit")
    return printable(f"{pack['name']}{'#' + ref if ref else ''}{f' ({commit[:12]})' if commit else ''}")
