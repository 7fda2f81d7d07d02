"""schedule; schedule:add, :info, :run, :logs, :pause, :resume, :remove."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from hostd.cli.call import Call
from hostd.cli.client import path
from hostd.cli.command import FOR_APP, JSON, Option, Refused, Usage, command
from hostd.cli.duration import written
from hostd.cli.output import GREEN, RED, YELLOW, Style, age, columns, moment, pairs, printable, seconds
from hostd.cli.run import command_line

SHOWN_RUNS = 10
PUNCTUAL_SECONDS = 60


@command(
    "schedule",
    options=(*FOR_APP, JSON),
    examples=("hostctl schedule -a hello", "hostctl schedule -a hello --json"),
)
def schedule(call: Call) -> None:
    """List an app's scheduled jobs: what is run when, and how the last run went."""
    app = call.app
    jobs: list[dict[str, Any]] = call.client.get(path("hostd", "apps", app, "jobs"))
    if call.flag("json"):
        call.print_json(jobs)
    elif jobs:
        call.print(call.style.heading(f"{call.style.app(app)} Schedule"), "")
        call.print(*_table(jobs, call.around.clock(), call.style, call.width))
    else:
        call.say(
            f"Nothing is scheduled on {call.error_style.app(app)}. "
            f"Add a job: {call.cmd(f'hostctl schedule:add COMMAND --every 10m -a {app}')}"
        )


@command(
    "schedule:add",
    "COMMAND...",
    options=(
        *FOR_APP,
        Option("every", "e", "when: 10m, 2h, hourly@15, daily@04:30, or cron: '30 4 * * 1-5'", "WHEN"),
        Option("timezone", "z", "whose clocks WHEN means (default: UTC), such as Europe/Berlin", "ZONE"),
        Option("size", "s", "the size of its dynos", "SIZE"),
        Option("catch-up", "c", "of runs that could not begin in time make good: none, or one (the default)", "RUNS"),
        JSON,
    ),
    examples=(
        'hostctl schedule:add "rake clean" --every 10m -a hello',
        'hostctl schedule:add "python report.py" --every daily@04:30 --timezone Europe/Berlin -a hello',
        "hostctl schedule:add ./backup --every '0 3 * * sun' --catch-up none --size standard-2x -a hello",
        "ssh git@HOST schedule:add rake clean --every \"'*/5 9-17 * * *'\" -a hello",
    ),
)
def add(call: Call) -> None:
    """Schedule a command: each of its runs is a one-off dyno of the app as it is then.

    WHEN is a number of minutes or hours (10m, 2h), hourly, hourly@15 (at a quarter past), daily, daily@04:30, or the
    five fields of a cron expression. No run begins while the one before goes on. Runs begin at most a minute late; of
    those that could not, because the machine was off, one is made good, or with --catch-up none nothing.
    """
    app, every = call.app, call.text("every")
    if not every:
        raise Usage("When? Say --every 10m, --every daily@04:30, or --every with a cron expression in quotes.")
    body = {"command": _command(call.words), "every": every}
    for field in ("timezone", "size", "catch-up"):
        if value := call.text(field):
            body[field.replace("-", "_")] = value
    with call.action(f"Scheduling `{body['command']}` on {call.error_style.app(app)}") as action:
        job = call.client.request("POST", path("hostd", "apps", app, "jobs"), body).data
        action.done = f"job {job['number']}, due first at {job['next_runs'][0]}"
    if call.flag("json"):
        call.print_json(job)


@command(
    "schedule:info",
    "JOB",
    options=(*FOR_APP, JSON),
    examples=("hostctl schedule:info 1 -a hello", "hostctl schedule:info 1 -a hello --json"),
)
def info(call: Call) -> None:
    """Show one job: when it is due next, and how its last runs went."""
    job = _job(call)
    if call.flag("json"):
        call.print_json(job)
        return
    now = call.around.clock()
    shown = {
        "Catch-up": job["catch_up"],
        "Command": printable(job["command"]),
        "Created": moment(job["created_at"], now),
        "Every": printable(job["every"]),
        "Next runs": "paused" if job["paused"] else ", ".join(job["next_runs"]),
        "Size": job["size"],
        "Time zone": job["timezone"],
    }
    call.print(call.style.heading(f"Job {job['number']}"), "", *pairs(shown, call.style))
    if job["runs"]:
        call.print("", call.style.heading("Runs"), "", *_runs(job["runs"][:SHOWN_RUNS], now, call.style))


@command(
    "schedule:run",
    "JOB",
    options=(*FOR_APP, JSON),
    examples=("hostctl schedule:run 1 -a hello", "hostctl schedule:run 1 -a hello && hostctl schedule:logs 1 -a hello"),
)
def run(call: Call) -> None:
    """Run a job now, whenever it is due next, and even if it is paused.

    It is refused while the job runs.
    """
    app, number = call.app, call.words[0]
    with call.action(f"Running job {number} of {call.error_style.app(app)}") as action:
        made = call.client.request("POST", path("hostd", "apps", app, "jobs", number, "runs")).data
        action.done = made["dyno"]
    if call.flag("json"):
        call.print_json(made)


@command(
    "schedule:logs",
    "[JOB]",
    options=(*FOR_APP, Option("tail", "t", "go on as more is logged")),
    examples=("hostctl schedule:logs -a hello", "hostctl schedule:logs 1 --tail -a hello"),
)
def logs(call: Call) -> None:
    """Print what jobs wrote to the app's log: all of them, or the last run of one."""
    from hostd.cli.logs import MOST_LINES, show

    dyno = "scheduler"
    if call.word:
        job = _job(call)
        dyno = next((run["dyno"] for run in job["runs"] if run["dyno"]), "")
        if not dyno:
            raise Refused(f"Job {job['number']} has not run yet. Run it now: hostctl schedule:run {job['number']}")
    show(call, call.app, {"lines": MOST_LINES, "tail": call.flag("tail"), "dyno": dyno})


@command("schedule:pause", "JOB", options=FOR_APP, answers=True, examples=("hostctl schedule:pause 1 -a hello",))
def pause(call: Call) -> None:
    """Let a job wait: what is due until schedule:resume is not run, nor made good later. A run that goes on ends."""
    _switch(call, paused=True)


@command("schedule:resume", "JOB", options=FOR_APP, answers=True, examples=("hostctl schedule:resume 1 -a hello",))
def resume(call: Call) -> None:
    """Let a paused job be run again when it is due."""
    _switch(call, paused=False)


@command("schedule:remove", "JOB", options=FOR_APP, answers=True, examples=("hostctl schedule:remove 1 -a hello",))
def remove(call: Call) -> None:
    """Remove a job and the record of its runs.

    A run that goes on is left alone; hostctl ps:stop stops it.
    """
    app, number = call.app, call.words[0]
    with call.action(f"Removing job {number} from {call.error_style.app(app)}") as action:
        action.done = f"`{call.client.request('DELETE', path('hostd', 'apps', app, 'jobs', number)).data['command']}`"


def _job(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = call.client.get(path("hostd", "apps", call.app, "jobs", call.words[0]))
    return found


def _switch(call: Call, *, paused: bool) -> None:
    app, number = call.app, call.words[0]
    with call.action(f"{'Pausing' if paused else 'Resuming'} job {number} of {call.error_style.app(app)}") as action:
        job = call.client.request("PATCH", path("hostd", "apps", app, "jobs", number), {"paused": paused}).data
        action.done = f"due next at {job['next_runs'][0]}" if job["next_runs"] else ""


def _command(words: list[str]) -> str:
    """The line for the dyno's shell; what came over ssh is that line, unless flags of ours stand within."""
    line = command_line(words)
    return line if len(words) == 1 or shlex.split(line) == words else shlex.join(words)


def _table(jobs: Sequence[dict[str, Any]], now: float, style: Style, width: int) -> list[str]:
    rows = (
        (
            style.paint(str(job["number"]), YELLOW),
            printable(job["every"]) + ("" if job["timezone"] == "UTC" else f" {job['timezone']}"),
            printable(job["command"]),
            _next(job, now),
            _result(job["runs"][0], now, style) if job["runs"] else "never run",
        )
        for job in jobs
    )
    return columns(rows, width=width, shorten=(2, 1))


def _next(job: dict[str, Any], now: float) -> str:
    if job["paused"]:
        return "paused"
    return f"next in {age(seconds(job['next_runs'][0]) - now)}" if job["next_runs"] else "never due again"


def _runs(runs: Sequence[dict[str, Any]], now: float, style: Style) -> list[str]:
    return columns(
        (
            moment(run["started_at"], now),
            run["dyno"] or "-",
            _punctuality(run),
            _result(run, now, style),
        )
        for run in runs
    )


def _punctuality(run: dict[str, Any]) -> str:
    if run["due_at"] is None:
        return "by hand"
    late = seconds(run["started_at"]) - seconds(run["due_at"])
    return "on time" if late <= PUNCTUAL_SECONDS else f"{age(late)} late"


def _result(run: dict[str, Any], now: float, style: Style) -> str:
    begun = seconds(run["started_at"])
    if run["status"] == "running":
        return f"{style.paint('running', YELLOW)} for {age(now - begun)}"
    took = written(seconds(run["ended_at"]) - begun)
    colour = GREEN if run["status"] == "succeeded" else RED
    return f"{style.paint(run['status'], colour)} after {took}: {printable(run['reason'] or '')}"
