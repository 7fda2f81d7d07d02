-- What writes down what happens to apps that have webhooks: triggers of hostd's own connection. They are not in the file
-- itself, since functions such as json_object may not be used by what is in a file (PRAGMA trusted_schema).

-- The apps of which somebody wants to hear: by webhooks of their own, or of the pipeline that they are in.
CREATE TEMP VIEW apps_heard AS
    SELECT app_id FROM webhooks
    UNION ALL
    SELECT pipeline_couplings.app_id FROM pipeline_couplings
    JOIN webhooks ON webhooks.pipeline_id = pipeline_couplings.pipeline_id;

-- Who may view what, as in access.py.
CREATE TEMP VIEW may_view AS
    SELECT users.id AS user_id, apps.id AS app_id FROM users, apps
    WHERE users.admin OR apps.owner_id = users.id
       OR EXISTS (SELECT 1 FROM collaborators WHERE collaborators.app_id = apps.id AND user_id = users.id);

-- A pipeline hears of what its owner may view at that moment, and that they gave an app away.
CREATE TEMP TRIGGER webhooks_hear_in_pipelines AFTER INSERT ON webhook_changes
BEGIN
    UPDATE webhook_changes SET pipeline_id = (
        SELECT pipelines.id FROM pipeline_couplings JOIN pipelines ON pipelines.id = pipeline_couplings.pipeline_id
        WHERE pipeline_couplings.app_id = NEW.app_id
          AND (json_extract(NEW.before, '$.owner_id') = pipelines.owner_id
               OR EXISTS (SELECT 1 FROM may_view WHERE user_id = pipelines.owner_id AND app_id = NEW.app_id))
    ) WHERE sequence = NEW.sequence;
END;

-- What another owner may not view was not told to them, and is not to be: it is forgotten.
CREATE TEMP TRIGGER webhooks_get_another_owner AFTER UPDATE OF owner_id ON pipelines
WHEN NEW.owner_id IS NOT OLD.owner_id
BEGIN
    DELETE FROM webhook_events WHERE pipeline_id = NEW.id
      AND NOT EXISTS (SELECT 1 FROM may_view WHERE user_id = NEW.owner_id AND app_id = webhook_events.app_id);
    UPDATE webhook_changes SET pipeline_id = NULL WHERE pipeline_id = NEW.id
      AND NOT EXISTS (SELECT 1 FROM may_view WHERE user_id = NEW.owner_id AND app_id = webhook_changes.app_id);
END;

CREATE TEMP TRIGGER webhooks_hear_of_apps AFTER UPDATE OF name, maintenance, owner_id, stack ON apps
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.id) AND NEW.destroyed_at IS NULL
  AND (NEW.name IS NOT OLD.name OR NEW.maintenance IS NOT OLD.maintenance OR NEW.owner_id IS NOT OLD.owner_id
       OR NEW.stack IS NOT OLD.stack)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.id, 'app', 'update', NEW.id,
        json_object('name', OLD.name, 'maintenance', OLD.maintenance, 'owner_id', OLD.owner_id, 'stack', OLD.stack)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_ends_of_apps AFTER UPDATE OF destroyed_at ON apps
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.id) AND NEW.destroyed_at IS NOT NULL
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key) VALUES (NEW.id, 'app', 'destroy', NEW.id);
END;

CREATE TEMP TRIGGER webhooks_hear_of_releases AFTER INSERT ON releases
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, user_id)
    VALUES (NEW.app_id, 'release', 'create', NEW.id, NEW.user_id);
END;

CREATE TEMP TRIGGER webhooks_hear_of_builds AFTER INSERT ON builds
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before, user_id)
    VALUES (NEW.app_id, 'build', 'create', NEW.id, json_object('now', NEW.status), NEW.user_id);
END;

CREATE TEMP TRIGGER webhooks_hear_of_ends_of_builds AFTER UPDATE OF status ON builds
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id) AND NEW.status IS NOT OLD.status
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before, user_id)
    VALUES (NEW.app_id, 'build', 'update', NEW.id, json_object('status', OLD.status, 'now', NEW.status), NEW.user_id);
END;

CREATE TEMP TRIGGER webhooks_hear_of_new_processes AFTER INSERT ON formation
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'formation', 'create', NEW.type,
        json_object('now', json_object('quantity', NEW.quantity, 'size', NEW.size))
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_scaling AFTER UPDATE ON formation
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
  AND (NEW.quantity IS NOT OLD.quantity OR NEW.size IS NOT OLD.size)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'formation', 'update', NEW.type,
        json_object('quantity', OLD.quantity, 'size', OLD.size,
                    'now', json_object('quantity', NEW.quantity, 'size', NEW.size))
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_domains AFTER INSERT ON domains
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'domain', 'create', NEW.id,
        json_object('hostname', NEW.hostname, 'created_at', NEW.created_at)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_ends_of_domains AFTER UPDATE OF removed_at ON domains
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id) AND NEW.removed_at IS NOT NULL
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'domain', 'destroy', NEW.id,
        json_object('hostname', NEW.hostname, 'created_at', NEW.created_at)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_collaborators AFTER INSERT ON collaborators
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'collaborator', 'create', NEW.user_id,
        json_object('now', NEW.rights, 'created_at', NEW.created_at)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_rights AFTER UPDATE OF rights ON collaborators
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id) AND NEW.rights IS NOT OLD.rights
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'collaborator', 'update', NEW.user_id,
        json_object('rights', OLD.rights, 'now', NEW.rights, 'created_at', NEW.created_at)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_ends_of_collaborators AFTER DELETE ON collaborators
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = OLD.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        OLD.app_id, 'collaborator', 'destroy', OLD.user_id,
        json_object('now', OLD.rights, 'created_at', OLD.created_at)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_certificates AFTER INSERT ON certificates
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'sni-endpoint', 'create', NEW.id,
        json_object('name', NEW.name, 'display_name', NEW.display_name, 'names', json(NEW.names),
                    'starts_at', NEW.starts_at, 'expires_at', NEW.expires_at, 'created_at', NEW.created_at)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_newer_certificates AFTER UPDATE OF fingerprint, display_name ON certificates
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = NEW.app_id)
  AND (NEW.fingerprint IS NOT OLD.fingerprint OR NEW.display_name IS NOT OLD.display_name)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        NEW.app_id, 'sni-endpoint', 'update', NEW.id,
        json_object('name', NEW.name, 'display_name', NEW.display_name, 'names', json(NEW.names),
                    'starts_at', NEW.starts_at, 'expires_at', NEW.expires_at, 'created_at', NEW.created_at)
    );
END;

CREATE TEMP TRIGGER webhooks_hear_of_ends_of_certificates AFTER DELETE ON certificates
WHEN EXISTS (SELECT 1 FROM apps_heard WHERE app_id = OLD.app_id)
BEGIN
    INSERT INTO webhook_changes (app_id, resource, action, key, before) VALUES (
        OLD.app_id, 'sni-endpoint', 'destroy', OLD.id,
        json_object('name', OLD.name, 'display_name', OLD.display_name, 'names', json(OLD.names),
                    'starts_at', OLD.starts_at, 'expires_at', OLD.expires_at, 'created_at', OLD.created_at)
    );
END;
