-- The scheduler: what is to be run at which times, and what was run.

CREATE TABLE jobs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    number INTEGER NOT NULL CHECK (number > 0),  -- what people call it; no app gives one twice
    command TEXT NOT NULL,
    every TEXT NOT NULL,  -- as it was written: 10m, daily@04:30, 30 4 * * 1-5
    timezone TEXT NOT NULL,
    size TEXT NOT NULL,
    catch_up TEXT NOT NULL CHECK (catch_up IN ('none', 'one')),
    created_at TEXT NOT NULL,
    paused_at TEXT,
    settled_at TEXT NOT NULL,  -- all that was due until then was run, skipped or given up
    UNIQUE (app_id, number)
) STRICT;

CREATE TABLE job_runs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    due_at TEXT,  -- NULL: run by hand
    dyno TEXT,  -- its name, as soon as it has one
    host INTEGER NOT NULL DEFAULT 1,
    begun_at TEXT NOT NULL,
    launched_at TEXT,  -- when its process was seen to run
    ended_at TEXT,
    exit_status INTEGER,
    reason TEXT  -- how it ended, in words
) STRICT;

-- No moment is run twice, and no job overlaps itself.
CREATE UNIQUE INDEX job_runs_due ON job_runs (job_id, due_at);
CREATE UNIQUE INDEX job_runs_open ON job_runs (job_id) WHERE ended_at IS NULL;
