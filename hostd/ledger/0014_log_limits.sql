-- How much of an app's log is kept, where it is not what the settings say.

CREATE TABLE log_limits (
    app_id TEXT PRIMARY KEY REFERENCES apps (id),
    size_mb INTEGER CHECK (size_mb > 0),  -- MiB on disk; NULL: as the settings say
    retention_days INTEGER CHECK (retention_days > 0)  -- NULL: as long as there is room
) STRICT, WITHOUT ROWID;
