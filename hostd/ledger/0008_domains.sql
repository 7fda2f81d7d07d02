-- Domains: the names of their own under which apps answer. A name that was taken away stays as history; it is free again.

CREATE TABLE domains (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    hostname TEXT NOT NULL,  -- in lower case and punycode, without a final dot: www.example.com, *.example.com
    user_id TEXT NOT NULL REFERENCES users (id),  -- who added it
    created_at TEXT NOT NULL,
    removed_at TEXT
) STRICT;

CREATE UNIQUE INDEX domains_hostname ON domains (hostname) WHERE removed_at IS NULL;
CREATE INDEX domains_app ON domains (app_id) WHERE removed_at IS NULL;

CREATE TRIGGER domains_stay BEFORE DELETE ON domains
BEGIN SELECT RAISE(ABORT, 'domains are never deleted, only marked as removed'); END;

CREATE TRIGGER domains_keep_their_identity BEFORE UPDATE ON domains
WHEN NEW.sequence IS NOT OLD.sequence OR NEW.id IS NOT OLD.id OR NEW.app_id IS NOT OLD.app_id
  OR NEW.hostname IS NOT OLD.hostname OR NEW.user_id IS NOT OLD.user_id
  OR NEW.created_at IS NOT OLD.created_at OR OLD.removed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'whose a domain is never changes'); END;
