-- Gateway nodes in processes of their own: they enrol with a one-time token
-- and two public keys, leave and come back, and are removed.

-- +goose Up

-- user_key is the nkey of the node's user on the bus and box_key the X25519 key
-- (base64) that the environment's key is sealed to. left_at is when it said
-- that it ends; 0 while it counts.
ALTER TABLE node ADD COLUMN user_key TEXT NOT NULL DEFAULT '';
ALTER TABLE node ADD COLUMN box_key TEXT NOT NULL DEFAULT '';
ALTER TABLE node ADD COLUMN left_at BIGINT NOT NULL DEFAULT 0;

-- A one-time token for a node to come. What used it is kept until it ends, so
-- that a node whose answer was lost may ask again, and nobody else.
CREATE TABLE enrolment (
  id          TEXT PRIMARY KEY,
  environment TEXT NOT NULL REFERENCES environment (slug),
  name        TEXT NOT NULL, -- of the node; '' lets it choose
  hash        TEXT NOT NULL UNIQUE,
  created_by  TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  used_at     BIGINT NOT NULL,
  node_id     TEXT NOT NULL,
  user_key    TEXT NOT NULL
);
CREATE INDEX enrolment_environment ON enrolment (environment, id);

-- The bus lets no user of these in any more.
CREATE TABLE removed_node (
  user_key    TEXT PRIMARY KEY,
  environment TEXT NOT NULL REFERENCES environment (slug),
  name        TEXT NOT NULL,
  removed_at  BIGINT NOT NULL
);
CREATE INDEX removed_node_environment ON removed_node (environment, user_key);

-- What secrets inside entries are sealed with: the newest number of each
-- environment, itself sealed with the installation's key.
CREATE TABLE environment_key (
  environment TEXT PRIMARY KEY REFERENCES environment (slug),
  number      BIGINT NOT NULL,
  sealed      BLOB NOT NULL,
  made_at     BIGINT NOT NULL
);
