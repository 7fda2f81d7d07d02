-- What apps want of the router.

CREATE TABLE masks (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,  -- of a query parameter whose value stays out of the log
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE features (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,  -- of a feature that the app has
    enabled_at TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE pauses (
    app_id TEXT PRIMARY KEY REFERENCES apps (id),
    ends_at TEXT NOT NULL  -- requests wait until then
) STRICT, WITHOUT ROWID;
