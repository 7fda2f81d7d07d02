-- Setups: apps that are made, configured and deployed at one go, as the app.json of a source says.

-- The name of the app stays here: that of a setup which failed before its first release is free again.
CREATE TABLE app_setups (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    app_name TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    build_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    failure TEXT,
    problems TEXT NOT NULL DEFAULT '[]',
    postdeploy_output TEXT,
    postdeploy_status INTEGER,
    success_url TEXT,
    output BLOB,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX app_setups_user ON app_setups (user_id, sequence);
CREATE INDEX app_setups_pending ON app_setups (status) WHERE status = 'pending';
