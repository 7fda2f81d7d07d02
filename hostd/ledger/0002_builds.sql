-- Any app builds: which buildpacks an app uses, the whole story of each build, versions of stacks.

-- What the owner set with buildpacks:set, in order; no rows: hostd finds out.
CREATE TABLE buildpacks (
    app_id TEXT NOT NULL REFERENCES apps (id),
    position INTEGER NOT NULL CHECK (position > 0),
    url TEXT NOT NULL,  -- a bundled name such as heroku/python, or where it is fetched from, with #ref
    PRIMARY KEY (app_id, position)
) STRICT, WITHOUT ROWID;


-- Seconds that a build of this app may take; NULL: as the installation's settings say.
ALTER TABLE apps ADD COLUMN build_timeout INTEGER CHECK (build_timeout > 0);


ALTER TABLE builds ADD COLUMN source TEXT NOT NULL DEFAULT 'git push';  -- how it came
ALTER TABLE builds ADD COLUMN stack TEXT;  -- NAME@VERSION
ALTER TABLE builds ADD COLUMN buildpacks TEXT NOT NULL DEFAULT '[]';  -- JSON: those that ran, in order
ALTER TABLE builds ADD COLUMN reason TEXT;  -- why it failed
ALTER TABLE builds ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0 CHECK (cancelled IN (0, 1));

-- Until now the output of a build held nothing but the reason of its failure.
UPDATE builds SET reason = nullif(output, '') WHERE status = 'failed';
ALTER TABLE builds DROP COLUMN output;

-- The transcript of a build: its beginning and its end, and how many bytes are left out between them.
CREATE TABLE build_outputs (
    build_id TEXT PRIMARY KEY REFERENCES builds (id),
    head BLOB NOT NULL,  -- zlib
    tail BLOB NOT NULL,  -- zlib
    cut INTEGER NOT NULL DEFAULT 0 CHECK (cut >= 0)
) STRICT, WITHOUT ROWID;


ALTER TABLE slugs ADD COLUMN stack_version TEXT;
ALTER TABLE slugs ADD COLUMN files INTEGER;
ALTER TABLE slugs ADD COLUMN buildpacks TEXT NOT NULL DEFAULT '[]';  -- JSON: as in its build


-- The versions of the stacks that were made; `current` is the one on which new releases run.
CREATE TABLE stacks (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    packages_digest TEXT NOT NULL,
    current INTEGER NOT NULL DEFAULT 0 CHECK (current IN (0, 1)),
    host INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    removed_at TEXT,  -- since when the pool no longer holds its files
    UNIQUE (name, version, host)
) STRICT;

CREATE UNIQUE INDEX stacks_current ON stacks (name, host) WHERE current = 1;


-- What the release runs on, such as debian-12@20261121.1; part of the hash where it is not NULL.
ALTER TABLE releases ADD COLUMN stack TEXT;

-- Which slugs are still needed is asked after every release.
CREATE INDEX releases_slug ON releases (slug_id, app_id, version);
