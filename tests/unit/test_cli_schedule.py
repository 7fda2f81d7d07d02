"""hostctl schedule, as its users see it."""

from __future__ import annotations

import json

from cli_fakes import hostctl

JOBS = "/hostd/apps/hello/jobs"


def run(status="succeeded", **more):
    ended = None if status == "running" else "2015-11-17T17:38:53Z"
    return {
        "due_at": "2015-11-17T17:37:41Z",
        "dyno": "scheduler.1234",
        "started_at": "2015-11-17T17:37:41Z",
        "ended_at": ended,
        "exit_status": 0,
        "reason": "exit status 0" if ended else None,
        "status": status,
        **more,
    }


def job(number=1, **more):
    return {
        "catch_up": "one",
        "command": "rake clean",
        "created_at": "2015-11-17T17:37:41Z",
        "every": "10m",
        "next_runs": ["2015-11-17T18:47:41Z", "2015-11-17T18:57:41Z"],
        "number": number,
        "paused": False,
        "runs": [],
        "size": "Standard-1X",
        "timezone": "UTC",
        **more,
    }


def test_jobs_are_listed(tmp_path, hostd):
    jobs = [
        job(runs=[run()]),
        job(2, every="daily@04:30", timezone="Europe/Berlin", command="x \x1b[2J", paused=True, next_runs=[]),
        job(3, runs=[run("running")], next_runs=[]),
    ]
    hostd.on(f"GET {JOBS}", (200, jobs))
    assert hostctl(tmp_path, "schedule", "-a", "hello").out.splitlines() == [
        "=== hello Schedule",
        "",
        "1  10m                        rake clean  next in 10m      succeeded after 1m12s: exit status 0",
        "2  daily@04:30 Europe/Berlin  x \\x1b[2J   paused           never run",
        "3  10m                        rake clean  never due again  running for 1h",
    ]
    assert json.loads(hostctl(tmp_path, "schedule", "-a", "hello", "--json").out) == jobs
    hostd.on(f"GET {JOBS}", (200, []))
    empty = hostctl(tmp_path, "schedule", "-a", "hello")
    assert empty.out == "" and "hostctl schedule:add COMMAND --every 10m -a hello" in empty.err


def test_a_job_is_added(tmp_path, hostd):
    hostd.on(f"POST {JOBS}", (201, job()))
    ran = hostctl(tmp_path, "schedule:add", "rake clean", "--every", "10m", "-a", "hello")
    assert ran.err == "Scheduling `rake clean` on hello... done, job 1, due first at 2015-11-17T18:47:41Z\n"
    assert hostd.requests[-1].json == {"command": "rake clean", "every": "10m"}
    flags = ("-e", "daily@04:30", "-z", "Europe/Berlin", "-s", "standard-2x", "-c", "none", "--json")
    ran = hostctl(tmp_path, "schedule:add", *flags, "-a", "hello", "--", "ls", "-a", "my file")
    assert json.loads(ran.out) == job()
    assert hostd.requests[-1].json == {
        "command": "ls -a 'my file'",
        "every": "daily@04:30",
        "timezone": "Europe/Berlin",
        "size": "standard-2x",
        "catch_up": "none",
    }


def test_a_job_needs_a_command_and_a_time(tmp_path, hostd):
    untimed = hostctl(tmp_path, "schedule:add", "rake clean", "-a", "hello")
    assert untimed.status == 2 and "When? Say --every 10m" in untimed.err
    for words in (("--every", "10m"), ("--every", "10m", " ")):
        ran = hostctl(tmp_path, "schedule:add", *words, "-a", "hello")
        assert ran.status == 2 and "COMMAND is missing" in ran.err
    assert hostd.requests == []


def test_a_job_is_shown_with_its_runs(tmp_path, hostd):
    runs = [
        run("running"),
        run("failed", exit_status=7, reason="exit status 7", due_at="2015-11-17T15:37:41Z"),
        run("failed", exit_status=None, reason="no code", dyno=None, due_at=None),
    ]
    hostd.on(f"GET {JOBS}/1", (200, job(runs=runs)))
    head, _, table = hostctl(tmp_path, "schedule:info", "1", "-a", "hello").out.partition("\n=== Runs\n\n")
    assert head.startswith("=== Job 1\n\nCatch-up:  one\nCommand:   rake clean\n")
    assert "Next runs: 2015-11-17T18:47:41Z, 2015-11-17T18:57:41Z\n" in head
    ended = [" ".join(line.split()[6:]) for line in table.splitlines()]
    assert ended == [
        "scheduler.1234 on time running for 1h",
        "scheduler.1234 2h late failed after 1m12s: exit status 7",
        "- by hand failed after 1m12s: no code",
    ]
    assert json.loads(hostctl(tmp_path, "schedule:info", "1", "-a", "hello", "--json").out)["runs"] == runs
    hostd.on(f"GET {JOBS}/1", (200, job(paused=True, next_runs=[])))
    assert "Next runs: paused\n" in hostctl(tmp_path, "schedule:info", "1", "-a", "hello").out


def test_a_job_is_run_paused_resumed_and_removed(tmp_path, hostd):
    hostd.on(f"POST {JOBS}/1/runs", (201, run("running"))).on(
        f"PATCH {JOBS}/1", (200, job(paused=True, next_runs=[])), (200, job())
    )
    hostd.on(f"DELETE {JOBS}/1", (200, job()))
    said = [
        hostctl(tmp_path, f"schedule:{verb}", "1", "-a", "hello").err for verb in ("run", "pause", "resume", "remove")
    ]
    assert said == [
        "Running job 1 of hello... done, scheduler.1234\n",
        "Pausing job 1 of hello... done\n",
        "Resuming job 1 of hello... done, due next at 2015-11-17T18:47:41Z\n",
        "Removing job 1 from hello... done, `rake clean`\n",
    ]
    assert [request.json for request in hostd.asked(f"PATCH {JOBS}/1")] == [{"paused": True}, {"paused": False}]


def test_the_log_of_a_job_is_that_of_its_last_run(tmp_path, hostd):
    hostd.on(f"GET {JOBS}/1", (200, job(runs=[run(dyno=None), run()])))
    hostd.on("POST /apps/hello/log-sessions", (404, {"id": "not_found", "message": "seen"}))
    for words, dyno in ((("1",), "scheduler.1234"), ((), "scheduler")):
        hostctl(tmp_path, "schedule:logs", *words, "--tail", "-a", "hello")
        assert hostd.requests[-1].json == {"lines": 10_000, "tail": True, "dyno": dyno}
    hostd.on(f"GET {JOBS}/1", (200, job()))
    ran = hostctl(tmp_path, "schedule:logs", "1", "-a", "hello")
    assert ran.status == 1 and "Job 1 has not run yet" in ran.err
