-- How versions of an API are told apart at one address, and how calls are
-- shared between what is live and a candidate.

-- +goose Up

-- Which version takes calls that ask for none: a label, newest, oldest, or ''.
ALTER TABLE api ADD COLUMN default_version TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Versions may share host and path where what a call has to say beside it
-- differs.
ALTER TABLE mount ADD COLUMN selector TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE mount DROP CONSTRAINT mount_pkey;
ALTER TABLE mount ADD PRIMARY KEY (host, base_path, selector);

-- A deployment's split and mirror. stepping says that its share moves by rule.
CREATE TABLE split (
  tenant_id   TEXT COLLATE "C" NOT NULL,
  version_id  TEXT COLLATE "C" NOT NULL,
  environment TEXT COLLATE "C" NOT NULL REFERENCES environment (slug),
  stepping    BOOLEAN NOT NULL,
  body        JSONB NOT NULL, -- JSON
  lock        BIGINT NOT NULL,
  PRIMARY KEY (version_id, environment),
  FOREIGN KEY (tenant_id, version_id) REFERENCES version (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX split_stepping ON split (environment) WHERE stepping;

ALTER TABLE split ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON split USING ((SELECT current_setting('portico.scope', true)) = 'system');
CREATE POLICY tenant ON split USING (tenant_id = (SELECT nullif(current_setting('portico.tenant', true), '')));
