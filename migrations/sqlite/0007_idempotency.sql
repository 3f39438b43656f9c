-- Requests of the management API that happen at most once under a key of the
-- caller's.

-- +goose Up

-- hash is of the caller and the key, which is not kept. A row is written with
-- the first change that its request makes. answer is empty until it is kept,
-- and sealed with a key that only the caller's opens.
CREATE TABLE idempotency (
  hash        TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL, -- of the request
  claimed_at  BIGINT NOT NULL,
  answer      BLOB NOT NULL
);
CREATE INDEX idempotency_claimed ON idempotency (claimed_at);
