-- Gates: who may come to an app. Without users and networks everybody may.

CREATE TABLE gate_users (
    app_id TEXT NOT NULL REFERENCES apps (id),
    name TEXT NOT NULL,
    hash TEXT NOT NULL,  -- of the password, as router/passwords.py makes it
    created_at TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE gate_networks (
    app_id TEXT NOT NULL REFERENCES apps (id),
    network TEXT NOT NULL,  -- 192.0.2.0/24, 2001:db8::/32
    PRIMARY KEY (app_id, network)
) STRICT, WITHOUT ROWID;
