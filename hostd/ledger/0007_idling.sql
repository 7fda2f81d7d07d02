-- Sleep: apps whose web dynos are stopped while nobody asks for them.

CREATE TABLE idling (
    app_id TEXT PRIMARY KEY REFERENCES apps (id),
    after INTEGER NOT NULL CHECK (after > 0),  -- seconds without a request
    idled_at TEXT,  -- since when it sleeps
    idled_version INTEGER  -- the release that sleeps: a newer one is awake
) STRICT, WITHOUT ROWID;
