-- Pipelines: apps in a row, from development to production, and promotions of code from one to the next.

CREATE TABLE pipelines (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

-- An app is in one pipeline at most.
CREATE TABLE pipeline_couplings (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    pipeline_id TEXT NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    app_id TEXT NOT NULL UNIQUE REFERENCES apps (id),
    stage TEXT NOT NULL CHECK (stage IN ('test', 'review', 'development', 'staging', 'production')),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX pipeline_couplings_pipeline ON pipeline_couplings (pipeline_id);

-- A promotion stays as history, also of a pipeline that is gone.
CREATE TABLE pipeline_promotions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    pipeline_id TEXT NOT NULL,
    source_app_id TEXT NOT NULL REFERENCES apps (id),
    source_release_id TEXT NOT NULL REFERENCES releases (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX pipeline_promotions_pipeline ON pipeline_promotions (pipeline_id, sequence);

CREATE TABLE pipeline_promotion_targets (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    promotion_id TEXT NOT NULL REFERENCES pipeline_promotions (id),
    app_id TEXT NOT NULL REFERENCES apps (id),
    status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    release_id TEXT REFERENCES releases (id),
    error TEXT,
    UNIQUE (promotion_id, app_id)
) STRICT;

CREATE INDEX pipeline_promotion_targets_pending ON pipeline_promotion_targets (status) WHERE status = 'pending';
