"""Jobs and their runs in the ledger."""

from datetime import timedelta

import pytest
from ledger_kit import START

from hostd.errors import Conflict, Invalid, NotFound
from hostd.ledger import Ledger
from hostd.ledger.job_runs import KEPT


@pytest.fixture
def app(ledger: Ledger):
    return ledger.apps.create("hello", ledger.users.add("kate@example.com").id)


def add(ledger, app, **more):
    known = {"command": "rake clean", "every": "10m", "timezone": "UTC", "size": "standard-1x", "catch_up": "one"}
    return ledger.jobs.add(app.id, **{**known, "most": 3, **more})


def test_a_job_from_its_beginning_to_its_end(ledger, app):
    job = add(ledger, app, every="daily@04:30", timezone="Europe/Berlin", catch_up="none")
    assert (job.number, job.command, job.every, job.timezone) == (1, "rake clean", "daily@04:30", "Europe/Berlin")
    assert (job.size, job.catch_up, job.paused_at, job.settled_at) == ("standard-1x", "none", None, job.created_at)
    assert ledger.jobs.list(app.id) == ledger.jobs.waiting() == [job]
    assert ledger.jobs.remove(app.id, 1) == job
    assert ledger.jobs.list(app.id) == []
    with pytest.raises(NotFound, match="There is no job 1"):
        ledger.jobs.remove(app.id, 1)


def test_a_number_is_never_given_twice(ledger, app):
    add(ledger, app)
    ledger.jobs.remove(app.id, add(ledger, app).number)
    assert add(ledger, app).number == 3
    other = ledger.apps.create("other", app.owner_id)
    assert add(ledger, other).number == 1
    with pytest.raises(NotFound):
        ledger.jobs.get(other.id, 3)


def test_an_app_has_only_so_many_jobs(ledger, app):
    for _ in range(3):
        add(ledger, app)
    with pytest.raises(Invalid, match="hello has 3 jobs, which is the most"):
        add(ledger, app)


def test_a_paused_job_does_not_wait_and_is_due_anew_when_it_is_resumed(ledger, app):
    job = add(ledger, app)
    paused = ledger.jobs.pause(app.id, 1)
    assert paused.paused_at is not None
    assert ledger.jobs.pause(app.id, 1) == paused
    assert ledger.jobs.waiting() == []
    resumed = ledger.jobs.resume(app.id, 1)
    assert resumed.paused_at is None and resumed.settled_at > paused.paused_at > job.settled_at
    assert ledger.jobs.resume(app.id, 1) == resumed


def test_a_run_from_its_beginning_to_its_end(ledger, app):
    job = add(ledger, app)
    run = ledger.job_runs.begin(job.id, START)
    assert (run.due_at, run.dyno, run.launched_at, run.ended_at) == (START, None, None, None)
    ledger.job_runs.has_dyno(run, "scheduler.1234")
    ledger.job_runs.launched(run)
    running = ledger.job_runs.running(job.id)
    assert ledger.job_runs.of_dyno(app.id, "scheduler.1234") == running
    assert ledger.job_runs.open() == [running]
    assert run.begun_at < running.launched_at
    ledger.job_runs.end(run, 7, "exit status 7")
    ledger.job_runs.end(run, 0, "too late")
    (ended,) = ledger.job_runs.list(job.id)
    assert (ended.exit_status, ended.reason) == (7, "exit status 7")
    assert ended.ended_at > running.launched_at
    assert ledger.job_runs.running(job.id) is ledger.job_runs.of_dyno(app.id, "scheduler.1234") is None
    assert ledger.job_runs.open() == []


def test_a_job_does_not_overlap_itself(ledger, app):
    job = add(ledger, app)
    run = ledger.job_runs.begin(job.id, START)
    ledger.job_runs.has_dyno(run, "scheduler.1234")
    with pytest.raises(Conflict, match=r"scheduler\.1234"):
        ledger.job_runs.begin(job.id, None)
    assert ledger.job_runs.begin(add(ledger, app).id, START).due_at == START


def test_a_moment_is_not_run_twice(ledger, app):
    job = add(ledger, app)
    ledger.job_runs.end(ledger.job_runs.begin(job.id, START), 0, "")
    assert ledger.job_runs.was_begun(job.id, START)
    assert not ledger.job_runs.was_begun(job.id, START + timedelta(seconds=1))
    assert not ledger.job_runs.was_begun(add(ledger, app).id, START)
    with pytest.raises(Exception, match="UNIQUE"):
        ledger.job_runs.begin(job.id, START)
    ledger.job_runs.end(ledger.job_runs.begin(job.id, None), 0, "")
    ledger.job_runs.end(ledger.job_runs.begin(job.id, None), 0, "")


def test_only_the_newest_runs_are_kept(ledger, app):
    job = add(ledger, app)
    for count in range(KEPT + 5):
        ledger.job_runs.end(ledger.job_runs.begin(job.id, START + timedelta(minutes=count)), 0, "")
    kept = ledger.job_runs.list(job.id)
    assert len(kept) == KEPT
    assert kept[-1].due_at == START + timedelta(minutes=5)


def test_a_destroyed_app_leaves_no_jobs_and_a_renamed_one_keeps_them(ledger, app):
    job = add(ledger, app)
    ledger.job_runs.begin(job.id, START)
    ledger.apps.rename(app.id, "goodbye")
    assert ledger.jobs.waiting() == [job]
    ledger.apps.destroy(app.id)
    assert ledger.jobs.waiting() == ledger.job_runs.open() == []
