-- The ledger's first schema. Ids are UUIDs; `sequence` gives the order, since clocks do not. Times are ISO 8601 in
-- UTC with microseconds. Nothing here holds a host name or a path, and `host` says where a thing lies: 1 is this one.

-- Numbers that are given out once and never again: uids of apps.
CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sequences_only_grow BEFORE UPDATE ON sequences
WHEN NEW.next < OLD.next OR NEW.name <> OLD.name
BEGIN SELECT RAISE(ABORT, 'a sequence only grows'); END;

CREATE TRIGGER sequences_stay BEFORE DELETE ON sequences
BEGIN SELECT RAISE(ABORT, 'a sequence is never deleted'); END;


-- A removed user's row stays, so that releases go on naming who made them.
CREATE TABLE users (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    admin INTEGER NOT NULL CHECK (admin IN (0, 1)),
    created_at TEXT NOT NULL,
    removed_at TEXT
) STRICT;

CREATE UNIQUE INDEX users_email ON users (email) WHERE removed_at IS NULL;

CREATE TRIGGER users_stay BEFORE DELETE ON users
BEGIN SELECT RAISE(ABORT, 'users are never deleted, only marked as removed'); END;

CREATE TRIGGER users_keep_their_identity BEFORE UPDATE ON users
WHEN NEW.sequence IS NOT OLD.sequence OR NEW.id IS NOT OLD.id OR NEW.email IS NOT OLD.email
  OR NEW.created_at IS NOT OLD.created_at OR OLD.removed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'who a user is never changes'); END;


CREATE TABLE keys (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    fingerprint TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL UNIQUE,  -- "TYPE BASE64", as sshd asks for it
    comment TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX keys_user ON keys (user_id);


-- A destroyed app's row stays with its releases; its name is free again, its id and uid never are.
CREATE TABLE apps (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES users (id),
    uid INTEGER NOT NULL UNIQUE,
    stack TEXT NOT NULL,
    host INTEGER NOT NULL DEFAULT 1,
    maintenance INTEGER NOT NULL DEFAULT 0 CHECK (maintenance IN (0, 1)),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    released_at TEXT,
    destroyed_at TEXT
) STRICT;

CREATE UNIQUE INDEX apps_name ON apps (name) WHERE destroyed_at IS NULL;
CREATE INDEX apps_owner ON apps (owner_id);

CREATE TRIGGER apps_stay BEFORE DELETE ON apps
BEGIN SELECT RAISE(ABORT, 'apps are never deleted, only marked as destroyed'); END;

CREATE TRIGGER apps_keep_their_identity BEFORE UPDATE ON apps
WHEN NEW.sequence IS NOT OLD.sequence OR NEW.id IS NOT OLD.id OR NEW.uid IS NOT OLD.uid
  OR NEW.created_at IS NOT OLD.created_at OR OLD.destroyed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'id and uid of an app never change'); END;


CREATE TABLE collaborators (
    app_id TEXT NOT NULL REFERENCES apps (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    PRIMARY KEY (app_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX collaborators_user ON collaborators (user_id);


CREATE TABLE slugs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    "commit" TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    process_types TEXT NOT NULL,  -- JSON: type to command
    buildpack TEXT NOT NULL,
    stack TEXT NOT NULL,
    digest TEXT NOT NULL,
    host INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    dropped_at TEXT  -- since when the pool no longer holds its files
) STRICT;

CREATE INDEX slugs_app ON slugs (app_id);


CREATE TABLE builds (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    "commit" TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    slug_id TEXT REFERENCES slugs (id),
    release_version INTEGER,
    output TEXT NOT NULL DEFAULT '',
    host INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;

CREATE INDEX builds_app ON builds (app_id);
CREATE INDEX builds_pending ON builds (status) WHERE status = 'pending';


-- Append-only: what an app was, is and why. `hash` chains the rows of one app (hostd/ledger/chain.py).
CREATE TABLE releases (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    version INTEGER NOT NULL CHECK (version > 0),
    slug_id TEXT REFERENCES slugs (id),
    config BLOB NOT NULL,  -- encrypted (hostd/ledger/vault.py)
    description TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    user_email TEXT NOT NULL,
    build_id TEXT REFERENCES builds (id),
    created_at TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    UNIQUE (app_id, version)
) STRICT;

CREATE TRIGGER releases_are_never_changed BEFORE UPDATE ON releases
BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END;

CREATE TRIGGER releases_are_never_deleted BEFORE DELETE ON releases
BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END;

-- INSERT OR REPLACE fires no delete trigger on a connection without recursive_triggers; this one it always fires.
CREATE TRIGGER releases_are_never_replaced BEFORE INSERT ON releases
WHEN NEW.version <> 1 + (SELECT coalesce(max(version), 0) FROM releases WHERE app_id = NEW.app_id)
  OR EXISTS (SELECT 1 FROM releases WHERE id = NEW.id OR sequence = NEW.sequence)
BEGIN SELECT RAISE(ABORT, 'releases are append-only'); END;

CREATE TRIGGER releases_are_chained BEFORE INSERT ON releases
WHEN NEW.version > 1 AND NEW.previous_hash IS NOT
     (SELECT hash FROM releases WHERE app_id = NEW.app_id AND version = NEW.version - 1)
BEGIN SELECT RAISE(ABORT, 'a release must follow the one before it'); END;


-- Append-only: what the release phase printed, in pieces that continue the hash chain of their release.
CREATE TABLE release_outputs (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    release_id TEXT NOT NULL REFERENCES releases (id),
    part INTEGER NOT NULL CHECK (part > 0),
    output TEXT NOT NULL,
    created_at TEXT NOT NULL,
    hash TEXT NOT NULL,
    UNIQUE (release_id, part)
) STRICT;

CREATE TRIGGER release_outputs_are_never_changed BEFORE UPDATE ON release_outputs
BEGIN SELECT RAISE(ABORT, 'release outputs are append-only'); END;

CREATE TRIGGER release_outputs_are_never_deleted BEFORE DELETE ON release_outputs
BEGIN SELECT RAISE(ABORT, 'release outputs are append-only'); END;

CREATE TRIGGER release_outputs_are_never_replaced BEFORE INSERT ON release_outputs
WHEN NEW.part <> 1 + (SELECT coalesce(max(part), 0) FROM release_outputs WHERE release_id = NEW.release_id)
  OR EXISTS (SELECT 1 FROM release_outputs WHERE sequence = NEW.sequence)
BEGIN SELECT RAISE(ABORT, 'release outputs are append-only'); END;


-- Where each app's chain ends, sealed with the ledger's key: cutting off the last releases shows.
CREATE TABLE release_heads (
    app_id TEXT PRIMARY KEY REFERENCES apps (id),
    version INTEGER NOT NULL,
    hash TEXT NOT NULL,
    outputs INTEGER NOT NULL,  -- how many rows of release_outputs belong to the app
    seal TEXT NOT NULL
) STRICT, WITHOUT ROWID;


CREATE TABLE formation (
    app_id TEXT NOT NULL REFERENCES apps (id),
    type TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 100),
    size TEXT NOT NULL,
    host INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (app_id, type)
) STRICT, WITHOUT ROWID;


-- Tells a foreign key from the ledger's own, without telling anything about it.
CREATE TABLE key_marks (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    mark TEXT NOT NULL
) STRICT;
