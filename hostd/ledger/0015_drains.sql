-- Where apps' lines are sent on to.

CREATE TABLE drains (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    url BLOB NOT NULL,  -- encrypted with the ledger's key, as there may be a password in it
    token TEXT NOT NULL UNIQUE,  -- what the receiver knows it by: d.9d9c0a2f-...
    filters TEXT NOT NULL,  -- JSON, which lines it gets
    created_at TEXT NOT NULL
) STRICT;
