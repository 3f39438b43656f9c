-- Certificates with which the gateways of an environment show themselves. They
-- are the installation's, not a tenant's: operators give hosts.

-- +goose Up

CREATE TABLE certificate (
  id          TEXT PRIMARY KEY,
  environment TEXT NOT NULL REFERENCES environment (slug),
  hosts       TEXT NOT NULL, -- JSON
  chain       TEXT NOT NULL, -- PEM
  sealed      BLOB NOT NULL, -- the private key, with the installation's key
  is_default  BOOLEAN NOT NULL,
  clients     TEXT NOT NULL, -- JSON
  subject     TEXT NOT NULL,
  issuer      TEXT NOT NULL,
  key_type    TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  not_before  BIGINT NOT NULL,
  not_after   BIGINT NOT NULL,
  updated_by  TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  updated_at  BIGINT NOT NULL,
  lock        BIGINT NOT NULL
);
CREATE INDEX certificate_environment ON certificate (environment, not_after, id);

-- One certificate is for a host.
CREATE TABLE certificate_host (
  environment    TEXT NOT NULL REFERENCES environment (slug),
  host           TEXT NOT NULL,
  certificate_id TEXT NOT NULL REFERENCES certificate (id),
  PRIMARY KEY (environment, host)
);
CREATE INDEX certificate_host_certificate ON certificate_host (certificate_id);
