-- Health checks: what a web dyno has to answer before it gets requests.

-- What somebody set with checks:set; no row: what the release's own app.json says.
CREATE TABLE checks (
    app_id TEXT NOT NULL REFERENCES apps (id),
    type TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (app_id, type)
) STRICT, WITHOUT ROWID;


ALTER TABLE slugs ADD COLUMN checks TEXT NOT NULL DEFAULT '{}';  -- JSON: type to path, as its app.json says
