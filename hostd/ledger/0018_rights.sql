-- What a collaborator may do: names of rights, sorted, with commas between them. Those of before may all but manage.
ALTER TABLE collaborators ADD COLUMN rights TEXT NOT NULL DEFAULT 'deploy,operate,view' CHECK (rights <> '');
ALTER TABLE collaborators ADD COLUMN updated_at TEXT;


-- Apps on their way to another owner. What is decided stays as history.
CREATE TABLE app_transfers (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    app_id TEXT NOT NULL REFERENCES apps (id),
    owner_id TEXT NOT NULL REFERENCES users (id),
    recipient_id TEXT NOT NULL REFERENCES users (id),
    requester_id TEXT NOT NULL REFERENCES users (id),
    state TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'declined', 'cancelled')),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX app_transfers_pending ON app_transfers (app_id) WHERE state = 'pending';
CREATE INDEX app_transfers_recipient ON app_transfers (recipient_id);


-- Who asked for which change, from where, and how it was answered. Only ever added to.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    user_email TEXT NOT NULL,
    door TEXT NOT NULL,
    address TEXT NOT NULL,
    authorization_id TEXT,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    app_id TEXT,
    app_name TEXT,
    target TEXT NOT NULL,
    status INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX audit_app ON audit (app_id);
CREATE INDEX audit_user ON audit (user_id);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;

CREATE TRIGGER audit_stays BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;
