-- Credentials of other kinds than keys: tokens of an issuer, user names with
-- passwords, secrets that calls are signed with, client certificates.

-- +goose Up

ALTER TABLE credential ADD COLUMN kind TEXT NOT NULL DEFAULT 'key';
ALTER TABLE credential ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN subject TEXT NOT NULL DEFAULT '';

-- What others issue can be registered again once it is revoked, and in each
-- environment: its hash alone is not unique. secret is made anew, because a
-- constraint cannot be dropped.
CREATE TABLE secret_after (
  id                TEXT PRIMARY KEY,
  tenant_id         TEXT NOT NULL,
  credential_id     TEXT NOT NULL,
  hash              TEXT NOT NULL, -- by which nodes know it
  prefix            TEXT NOT NULL,
  last_four         TEXT NOT NULL,
  created_at        BIGINT NOT NULL,
  expires_at        BIGINT NOT NULL,
  last_used_at      BIGINT NOT NULL DEFAULT 0,
  last_used_address TEXT NOT NULL DEFAULT '',
  environment       TEXT NOT NULL DEFAULT '', -- the credential's
  live              BOOLEAN NOT NULL DEFAULT TRUE, -- its credential is not revoked
  sealed            BLOB, -- with the installation's key, where nodes need the secret
  node_key          BIGINT NOT NULL DEFAULT 0, -- the environment's key that node_box is sealed with
  node_box          TEXT NOT NULL DEFAULT '',
  FOREIGN KEY (tenant_id, credential_id) REFERENCES credential (tenant_id, id) ON DELETE CASCADE
);
INSERT INTO secret_after (id, tenant_id, credential_id, hash, prefix, last_four, created_at, expires_at, last_used_at, last_used_address, environment, live)
  SELECT s.id, s.tenant_id, s.credential_id, s.hash, s.prefix, s.last_four, s.created_at, s.expires_at, s.last_used_at, s.last_used_address, c.environment, c.revoked_at = 0
  FROM secret s JOIN credential c ON c.tenant_id = s.tenant_id AND c.id = s.credential_id;
DROP TABLE secret;
ALTER TABLE secret_after RENAME TO secret;
CREATE INDEX secret_credential ON secret (tenant_id, credential_id);
CREATE UNIQUE INDEX secret_live ON secret (environment, hash) WHERE live;
CREATE INDEX secret_sealed ON secret (environment) WHERE node_key > 0;
