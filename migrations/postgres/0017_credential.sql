-- Credentials of other kinds than keys: tokens of an issuer, user names with
-- passwords, secrets that calls are signed with, client certificates.

-- +goose Up

ALTER TABLE credential ADD COLUMN kind TEXT NOT NULL DEFAULT 'key';
ALTER TABLE credential ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE credential ADD COLUMN subject TEXT NOT NULL DEFAULT '';

-- What others issue can be registered again once it is revoked, and in each
-- environment: its hash alone is not unique.
ALTER TABLE secret DROP CONSTRAINT secret_hash_key;
ALTER TABLE secret ADD COLUMN environment TEXT NOT NULL DEFAULT ''; -- the credential's
ALTER TABLE secret ADD COLUMN live BOOLEAN NOT NULL DEFAULT TRUE; -- its credential is not revoked
ALTER TABLE secret ADD COLUMN sealed BYTEA; -- with the installation's key, where nodes need the secret
ALTER TABLE secret ADD COLUMN node_key BIGINT NOT NULL DEFAULT 0; -- the environment's key that node_box is sealed with
ALTER TABLE secret ADD COLUMN node_box TEXT NOT NULL DEFAULT '';
UPDATE secret SET environment = c.environment, live = c.revoked_at = 0
  FROM credential c WHERE c.tenant_id = secret.tenant_id AND c.id = secret.credential_id;
CREATE UNIQUE INDEX secret_live ON secret (environment, hash) WHERE live;
CREATE INDEX secret_sealed ON secret (environment) WHERE node_key > 0;
