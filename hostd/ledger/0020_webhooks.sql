-- Webhooks: who is told what happened to an app. What happened is written down by the change itself, in its own
-- transaction (happenings.sql): whatever way it came, and however hostd ends behind it, nobody is told too little.

CREATE TABLE webhooks (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    include TEXT NOT NULL,  -- JSON, of what it is told: ["api:release"]
    level TEXT NOT NULL CHECK (level IN ('notify', 'sync')),
    sealed BLOB NOT NULL,  -- encrypted with the ledger's key: its address, its secret, what it wants as Authorization
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX webhooks_app ON webhooks (app_id);

-- What happened and is no event yet. `key` says to what; `before` is JSON, what was there and is not any more.
CREATE TABLE webhook_changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    app_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('create', 'update', 'destroy')),
    key TEXT NOT NULL,
    before TEXT NOT NULL DEFAULT '{}',
    user_id TEXT,  -- who did it; '' is the platform, NULL is not known yet
    at TEXT NOT NULL DEFAULT ''  -- when; '' is not known yet
) STRICT;

CREATE TABLE webhook_events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    include TEXT NOT NULL,
    payload TEXT NOT NULL,  -- JSON
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX webhook_events_app ON webhook_events (app_id, sequence);

-- What is to be told to whom, and how that went.
CREATE TABLE webhook_deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    status TEXT NOT NULL CHECK (status IN ('pending', 'retrying', 'failed', 'succeeded')),
    tries INTEGER NOT NULL DEFAULT 0,
    next_at TEXT,  -- when it is tried next; NULL: it was told, or given up
    attempt_id TEXT,  -- the last try
    attempt_at TEXT,
    attempt_code INTEGER,  -- the status that it was answered with
    attempt_error TEXT,  -- why it failed, in words
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX webhook_deliveries_of ON webhook_deliveries (webhook_id, sequence);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, next_at) WHERE next_at IS NOT NULL;
