-- Webhooks of pipelines. A webhook is an app's or a pipeline's, which hears of the apps that are in it.

-- The column is made anew, as it may be empty now. A new table instead would take the deliveries along with the old one.
DROP INDEX webhooks_app;
ALTER TABLE webhooks ADD COLUMN whose TEXT REFERENCES apps (id);
UPDATE webhooks SET whose = app_id;
ALTER TABLE webhooks DROP COLUMN app_id;
ALTER TABLE webhooks RENAME COLUMN whose TO app_id;
ALTER TABLE webhooks ADD COLUMN pipeline_id TEXT REFERENCES pipelines (id) ON DELETE CASCADE
    CHECK ((app_id IS NULL) <> (pipeline_id IS NULL));

CREATE INDEX webhooks_app ON webhooks (app_id);
CREATE INDEX webhooks_pipeline ON webhooks (pipeline_id);

-- The pipeline that is to hear of it; NULL: none.
ALTER TABLE webhook_changes ADD COLUMN pipeline_id TEXT;

-- The pipeline whose event it is; NULL: it is the app's own.
ALTER TABLE webhook_events ADD COLUMN pipeline_id TEXT REFERENCES pipelines (id) ON DELETE CASCADE;

CREATE INDEX webhook_events_pipeline ON webhook_events (pipeline_id, sequence);
