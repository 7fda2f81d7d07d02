-- Tokens with which programs speak for users.

CREATE TABLE authorizations (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    description TEXT NOT NULL,
    scope TEXT NOT NULL,  -- JSON, what it is good for: ["global"]
    token_id TEXT NOT NULL UNIQUE,  -- the token's, anew with each token
    token_hash TEXT NOT NULL UNIQUE,  -- SHA-256; the token itself is nowhere
    token_end TEXT NOT NULL,  -- its last characters, by which people know it again
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    issued_at TEXT NOT NULL,  -- since when it has this token
    expires_at TEXT,  -- NULL: never
    used_at TEXT,  -- when it was used last, to the minute
    used_from TEXT  -- and from which address
) STRICT;

CREATE INDEX authorizations_user ON authorizations (user_id);
