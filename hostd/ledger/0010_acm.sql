-- Certificates that apps get by themselves (ACME, RFC 8555): which apps, how it stands with each name, and our accounts.

ALTER TABLE certificates ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0 CHECK (automatic IN (0, 1));  -- got by ACME

CREATE TABLE acm (
    app_id TEXT PRIMARY KEY REFERENCES apps (id),
    enabled_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE acm_names (  -- only those for which something is still to be done
    app_id TEXT NOT NULL REFERENCES apps (id),
    hostname TEXT NOT NULL,
    since_at TEXT NOT NULL,  -- since when a certificate is wanted
    updated_at TEXT NOT NULL,  -- when something was tried last
    next_at TEXT NOT NULL,  -- nothing is tried before then
    reason TEXT,  -- why there is none yet
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    limited INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1)),  -- the authority itself said when
    renew INTEGER NOT NULL DEFAULT 0 CHECK (renew IN (0, 1)),  -- somebody asked for a new one, whatever there is
    PRIMARY KEY (app_id, hostname)
) STRICT, WITHOUT ROWID;

CREATE TABLE acme_accounts (
    directory TEXT PRIMARY KEY,  -- the address of the authority
    private_key BLOB NOT NULL,  -- PEM, encrypted with the ledger's key
    uri TEXT,  -- what the authority calls the account; NULL as long as it knows none
    failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    reason TEXT,  -- why nothing can be asked of it
    next_at TEXT,  -- nothing is asked of it before then
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
