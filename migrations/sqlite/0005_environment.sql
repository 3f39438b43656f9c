-- Environments have settings and values of their own, so that a revision is the
-- same everywhere.

-- +goose Up

-- settings is JSON. address_chosen says that an operator
-- chose the gateway URL: it does not follow the process's listener any more.
ALTER TABLE environment ADD COLUMN settings TEXT NOT NULL DEFAULT '{"max_body_bytes":10485760,"connect_timeout_ms":5000,"header_timeout_ms":30000,"idle_timeout_ms":60000,"max_stale_ms":60000}';
ALTER TABLE environment ADD COLUMN address_chosen BOOLEAN NOT NULL DEFAULT FALSE;

-- A tenant's named values: upstreams refer to them as ${name}. Of a secret one
-- value is empty and sealed holds it, sealed with the installation's key.
CREATE TABLE environment_value (
  tenant_id   TEXT NOT NULL REFERENCES tenant (id),
  environment TEXT NOT NULL REFERENCES environment (slug),
  name        TEXT NOT NULL,
  value       TEXT NOT NULL,
  secret      BOOLEAN NOT NULL,
  sealed      BLOB NOT NULL,
  updated_by  TEXT NOT NULL,
  updated_at  BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, environment, name)
);
