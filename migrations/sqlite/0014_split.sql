-- How versions of an API are told apart at one address, and how calls are
-- shared between what is live and a candidate.

-- +goose Up

-- Which version takes calls that ask for none: a label, newest, oldest, or ''.
ALTER TABLE api ADD COLUMN default_version TEXT NOT NULL DEFAULT '';

-- Versions may share host and path where what a call has to say beside it
-- differs. mount is made anew, because a key cannot be changed.
CREATE TABLE mount_after (
  host       TEXT NOT NULL,
  base_path  TEXT NOT NULL,
  selector   TEXT NOT NULL DEFAULT '',
  tenant_id  TEXT NOT NULL,
  version_id TEXT NOT NULL,
  PRIMARY KEY (host, base_path, selector),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);
INSERT INTO mount_after (host, base_path, tenant_id, version_id) SELECT host, base_path, tenant_id, version_id FROM mount;
DROP TABLE mount;
ALTER TABLE mount_after RENAME TO mount;
CREATE INDEX mount_version ON mount (tenant_id, version_id);

-- A deployment's split and mirror. stepping says that its share moves by rule.
CREATE TABLE split (
  tenant_id   TEXT NOT NULL,
  version_id  TEXT NOT NULL,
  environment TEXT NOT NULL REFERENCES environment (slug),
  stepping    BOOLEAN NOT NULL,
  body        TEXT NOT NULL, -- JSON
  lock        BIGINT NOT NULL,
  PRIMARY KEY (version_id, environment),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX split_stepping ON split (environment) WHERE stepping;
