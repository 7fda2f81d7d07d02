-- Alerts: of what somebody wants to hear, and what they were told.

CREATE TABLE alerts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT REFERENCES apps (id),  -- NULL: of the platform
    number INTEGER NOT NULL CHECK (number > 0),  -- what people call it; no app gives one twice
    condition TEXT NOT NULL,  -- as hostd/alerts/rules.py writes it: web p95>500ms for 5m
    targets BLOB NOT NULL,  -- who is told, encrypted: addresses may have secrets in them
    created_at TEXT NOT NULL,
    paused_at TEXT,
    watched_at TEXT NOT NULL  -- from when on it counts: when it was made, or resumed
) STRICT;

CREATE UNIQUE INDEX alerts_of_apps ON alerts (app_id, number) WHERE app_id IS NOT NULL;
CREATE UNIQUE INDEX alerts_of_platform ON alerts (number) WHERE app_id IS NULL;

-- From a condition that has held for long enough to its end.
CREATE TABLE alert_firings (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    began_at TEXT NOT NULL,  -- the first minute in which it held
    fired_at TEXT NOT NULL,  -- the minute in which it had held for long enough
    low REAL NOT NULL,  -- the least and the most until then
    high REAL NOT NULL,
    over_at TEXT,  -- the first minute in which it did not hold any more
    ended_at TEXT,  -- the minute in which it had not held for long enough
    reason TEXT  -- why it ended, in words
) STRICT;

CREATE INDEX alert_firings_of ON alert_firings (alert_id, sequence);
-- An alert fires once at a time.
CREATE UNIQUE INDEX alert_firings_open ON alert_firings (alert_id) WHERE ended_at IS NULL;

-- What was to be told to whom, and whether it was.
CREATE TABLE alert_notices (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,  -- the receiver's, to know again what comes twice
    alert_id TEXT NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    target INTEGER NOT NULL,  -- which of the alert's, from 0; -1 is the log
    message TEXT NOT NULL,  -- JSON
    created_at TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at TEXT,  -- when it is tried next; NULL: it was sent, or given up
    sent_at TEXT,
    reason TEXT  -- why the last try failed
) STRICT;

CREATE INDEX alert_notices_waiting ON alert_notices (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX alert_notices_of ON alert_notices (alert_id, sequence);

-- Until when all alerts were looked at.
CREATE TABLE alert_looks (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    until_at TEXT NOT NULL
) STRICT;
