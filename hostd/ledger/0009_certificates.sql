-- Certificates of apps, with their private keys; and what apps want of https.

CREATE TABLE certificates (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,  -- as people call it: gentle-mesa-5445
    display_name TEXT,
    chain TEXT NOT NULL,  -- PEM, the certificate itself first
    private_key BLOB NOT NULL,  -- PEM, encrypted with the ledger's key
    fingerprint TEXT NOT NULL,  -- SHA-256 of the certificate, in hex
    names TEXT NOT NULL,  -- JSON, the hosts it is for: ["www.example.com", "*.example.org"]
    starts_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    warned_days INTEGER,  -- that it expires within so many days was told
    UNIQUE (app_id, name)
) STRICT;

CREATE TABLE https (
    app_id TEXT PRIMARY KEY REFERENCES apps (id),
    redirect INTEGER NOT NULL DEFAULT 0 CHECK (redirect IN (0, 1)),  -- whether requests over http are sent to https
    hsts_seconds INTEGER CHECK (hsts_seconds >= 0),  -- how long browsers are to insist on https; NULL: nothing is said
    hsts_subdomains INTEGER NOT NULL DEFAULT 0 CHECK (hsts_subdomains IN (0, 1)),
    hsts_preload INTEGER NOT NULL DEFAULT 0 CHECK (hsts_preload IN (0, 1))
) STRICT, WITHOUT ROWID;
