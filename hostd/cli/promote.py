"""pipelines:promote and pipelines:diff: the code of one stage, and the next."""

from __future__ import annotations

import time
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, command
from hostd.cli.output import columns, printable
from hostd.cli.pipelines import in_order

_TO = Option("to", "t", "the apps to promote to, with commas; else those of the next stage", "APPS")
_NEXT = {"review": "staging", "development": "staging", "staging": "production", "test": "staging"}
_ASK_SECONDS = 1.0
"""Heroku's command line asks as often."""


@command(
    "pipelines:promote",
    options=(_TO, *FOR_APP, JSON),
    examples=(
        "hostctl pipelines:promote -a hello-staging",
        "hostctl pipelines:promote --to hello,hello-eu -a hello-staging",
    ),
)
def promote(call: Call) -> int:
    """Release what an app runs on the apps of the next stage of its pipeline, without building it again.

    They keep their config vars; their release command runs, if the code has one. One that fails keeps no other from
    its release, and makes the exit status 1.
    """
    coupling, others = _stages(call, call.app)
    targets = _wanted(call, coupling, others)
    body = {
        "pipeline": {"id": coupling["pipeline"]["id"]},
        "source": {"app": {"id": coupling["app"]["id"]}},
        "targets": [{"app": {"id": each["app"]["id"]}} for each in targets],
    }
    where = call.text("to") or targets[0]["stage"]
    with call.action(f"Starting promotion to {where}"):
        promotion = call.client.request("POST", path("pipeline-promotions"), body).data
    with call.action("Waiting for promotion to complete"):
        ended = _ended(call, promotion["id"])
    names = {each["app"]["id"]: each["app"]["name"] for each in targets}
    failed = any(each["status"] == "failed" for each in ended)
    if call.flag("json"):
        call.print_json(ended)
        return int(failed)
    _show_output(call, ended)
    call.print("", call.style.heading("Promotion to some apps failed" if failed else "Promotion successful"), "")
    call.print(*columns([_row(names[each["app"]["id"]], each) for each in ended]))
    return int(failed)


@command(
    "pipelines:diff",
    options=(*FOR_APP, JSON),
    examples=("hostctl pipelines:diff -a hello-staging",),
)
def diff(call: Call) -> None:
    """Compare what an app runs with what the apps of the next stage run: the commits, and what lies between them.

    In a git checkout that has both commits, they are listed.
    """
    coupling, others = _stages(call, call.app)
    targets = _wanted(call, coupling, others)
    source = _commit(call, coupling["app"]["name"])
    found = [(each["app"]["name"], _commit(call, each["app"]["name"])) for each in targets]
    if call.flag("json"):
        call.print_json({
            "source": {"app": coupling["app"]["name"], "commit": source},
            "targets": [{"app": name, "commit": commit, "same": commit == source} for name, commit in found],
        })
        return
    for name, commit in found:
        _compare(call, coupling["app"]["name"], source, name, commit)


def _stages(call: Call, app: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The app's place in its pipeline, and those of the others."""
    coupling = call.client.get(path("apps", app, "pipeline-couplings"))
    found = in_order(call.client.get(path("pipelines", coupling["pipeline"]["id"], "pipeline-couplings")))
    return coupling, [each for each in found if each["app"]["id"] != coupling["app"]["id"]]


def _wanted(call: Call, coupling: dict[str, Any], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the others that are named, or that are at the next stage. Raises Refused if there is none."""
    pipeline = coupling["pipeline"]["name"]
    if call.command.name == "pipelines:promote" and (named := call.text("to")):
        known = {each["app"]["name"]: each for each in others} | {each["app"]["id"]: each for each in others}
        words = [word.strip() for word in named.split(",") if word.strip()]
        if unknown := [word for word in words if word not in known]:
            raise Refused(f"{unknown[0][:60]} is no other app of the pipeline {pipeline}.")
        return list({known[word]["id"]: known[word] for word in words}.values())
    following = _NEXT.get(coupling["stage"])
    found = [each for each in others if each["stage"] == following]
    if not found:
        reason = f"has no app at {following}" if following else "has no stage behind production: name apps with --to"
        raise Refused(f"The pipeline {pipeline} {reason}.")
    return found


def _ended(call: Call, promotion: str) -> list[dict[str, Any]]:
    """The targets, once none of them is pending any more."""
    while True:
        found: list[dict[str, Any]] = call.client.get(path("pipeline-promotions", promotion, "promotion-targets"))
        if all(each["status"] != "pending" for each in found):
            return found
        time.sleep(_ASK_SECONDS)


def _show_output(call: Call, ended: list[dict[str, Any]]) -> None:
    """What the release command printed, if it was one app that was promoted to."""
    if len(ended) != 1 or not ended[0]["release"]:
        return
    app, release = ended[0]["app"]["id"], ended[0]["release"]["id"]
    if call.client.get(path("apps", app, "releases", release))["output_stream_url"]:
        call.say("Running release command...")
        call.write(call.client.stream("GET", path("apps", app, "releases", release, "output")).read())


def _row(name: str, target: dict[str, Any]) -> tuple[str, str]:
    why = f": {printable(' '.join(target['error_message'].split()))}" if target["error_message"] else ""
    return f"{name}:", f"{target['status']}{why}"


def _commit(call: Call, app: str) -> str | None:
    """The commit that an app runs; None before its first deploy."""
    newest = call.client.get(path("apps", app, "releases", "current"))
    if newest["slug"] is None:
        return None
    commit: str = call.client.get(path("apps", app, "slugs", newest["slug"]["id"]))["commit"]
    return commit


def _compare(call: Call, app: str, source: str | None, other: str, commit: str | None) -> None:
    if source is None or commit is None:
        empty = app if source is None else other
        call.print(f"{call.style.app(empty)} has no code yet.")
    elif source == commit:
        call.print(f"{call.style.app(app)} is up to date with {call.style.app(other)} ({printable(commit[:7])})")
    else:
        lines = _between(call, commit, source)
        ahead = f"ahead by {len(lines)} commit{'s' * (len(lines) != 1)}" if lines else "other code"
        heading = f"{app} is {ahead}: {printable(source[:7])}, {other} has {printable(commit[:7])}"
        call.print(call.style.heading(heading), *lines)


def _between(call: Call, old: str, new: str) -> list[str]:
    """The commits from one to the other, newest first, if the checkout here has both."""
    from hostd.cli.checkout import commits

    return commits(old, new) if call.where is not None else []
